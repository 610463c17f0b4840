// A wire between browser and carrier that keeps every byte sent to the carrier, and can be cut.
import net from 'node:net';

export class Recorder {
  #sockets = new Set();
  #chunks = [];
  #server;
  /** Whether it is cut: nothing passes, as in a lift. */
  cut = false;

  constructor(port) {
    this.#server = net.createServer((client) => this.#join(client, port));
  }

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #join(client, port) {
    if (this.cut) return client.destroy();
    const server = net.connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => { this.#sockets.delete(socket); client.destroy(); server.destroy(); });
    }
    client.on('data', (chunk) => { this.#chunks.push(chunk); this.onSent?.(chunk); });
    client.pipe(server).pipe(client);
  }

  /** Cuts the wire now. */
  drop() {
    this.cut = true;
    this.#sockets.forEach((socket) => socket.destroy());
  }

  /** All that was sent to the carrier. */
  get sent() {
    return Buffer.concat(this.#chunks);
  }

  /** How often something was asked for. @param {string} start such as `POST /parts` */
  count(start) {
    return this.sent.toString('latin1').split(`${start} HTTP/1.1`).length - 1;
  }

  close() {
    this.#server.close();
    this.#sockets.forEach((socket) => socket.destroy());
  }
}
