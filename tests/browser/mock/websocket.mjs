// Text frames of a websocket, both ways: as much of RFC 6455 as the tests speak.

import { createHash } from "node:crypto";

export function acceptWebsocket(request, socket, onText) {
  const key = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
  let held = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      if (held.length < 6) return;
      const opcode = held[0] & 15;
      let length = held[1] & 127;
      let at = 2;
      if (length === 126) {
        if (held.length < 8) return;
        length = held.readUInt16BE(2);
        at = 4;
      }
      if (held.length < at + 4 + length) return;
      const mask = held.subarray(at, at + 4);
      const data = Buffer.from(held.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < data.length; i++) data[i] ^= mask[i & 3];
      held = held.subarray(at + 4 + length);
      if (opcode === 8) socket.end(Buffer.from([0x88, 0]));
      else if (opcode === 1) onText(data.toString());
    }
  });
  socket.on("error", () => socket.destroy());
  return (text) => {
    const data = Buffer.from(text);
    const head = data.length < 126 ? Buffer.from([0x81, data.length]) : Buffer.from([0x81, 126, data.length >> 8, data.length & 255]);
    if (socket.writable) socket.write(Buffer.concat([head, data]));
  };
}
