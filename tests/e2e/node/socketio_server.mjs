// SPDX-License-Identifier: Apache-2.0
// One Socket.IO server that shares nothing with the others, as a process of its own so that it can be killed: prints its port,
// echoes "say" with its name. Arguments: NAME PORT (0: any).
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const [name, port] = process.argv.slice(2);
const server = createServer();
const io = new Server(server, { pingInterval: 2000, pingTimeout: 4000 });
io.on('connection', (socket) => {
  socket.emit('home', name);
  socket.on('say', (text, answer) => answer(`${name}: ${text}`));
});
server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port));
