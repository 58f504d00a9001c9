// k6/websockets, as far as our scripts use it. GOALCAST_STANDIN_FAULT makes it a bad network, which
// the scripts have to notice: of a connection's second goal drop leaves out the frame, double brings it
// twice, cut ends the connection.
import WS from 'ws';

const fault = process.env.GOALCAST_STANDIN_FAULT ?? '';

export class WebSocket {
  #socket;

  constructor(url) {
    this.#socket = new WS(url);
    let count = 0;
    this.#socket.on('message', (data) => {
      const goal = data.includes('"kind":"message"');
      if (goal) count++;
      if (goal && fault === 'drop' && count === 2) return;
      if (goal && fault === 'cut' && count === 2) this.#socket.terminate();
      this.onmessage?.({ data: data.toString() });
      if (goal && fault === 'double' && count === 2) this.onmessage?.({ data: data.toString() });
    });
    this.#socket.on('close', () => this.onclose?.());
    this.#socket.on('error', () => {}); // k6 calls onerror, and onclose after it, as here
  }

  close() { this.#socket.close(); }
}
