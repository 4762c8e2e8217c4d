import { apiPath } from "./client";
import type { LiveMessage } from "./types";

export type Connection = "connecting" | "live" | "reconnecting" | "closed";

export interface LiveOptions {
  id: string;
  /** The revision the page has; asked again for each pull. */
  rev(): number;
  /** Resolves when the page has drawn this and is ready for more. */
  onMessage(message: LiveMessage): Promise<void>;
  onConnection(state: Connection): void;
  signal: AbortSignal;
}

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;

/** Pulls: the next question is sent only when the last answer is on the screen. */
export function followLive(options: LiveOptions): void {
  let socket: WebSocket | null = null;
  let wait = FIRST_WAIT_MS;
  let timer = 0;
  let isOver = false;

  const open = () => {
    if (options.signal.aborted || isOver) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const mine = new WebSocket(
      `${scheme}://${location.host}${apiPath(`/api/v1/live/${encodeURIComponent(options.id)}`)}`,
    );
    socket = mine;
    const pull = () => {
      if (mine.readyState === WebSocket.OPEN) mine.send(JSON.stringify({ next: options.rev() }));
    };
    mine.onopen = () => {
      wait = FIRST_WAIT_MS;
      options.onConnection("live");
      pull();
    };
    mine.onmessage = async (event) => {
      const message = JSON.parse(String(event.data)) as LiveMessage;
      if (typeof message.rev !== "number") return;
      await options.onMessage(message).catch(() => undefined);
      if (message.state !== "live") {
        isOver = true;
        options.onConnection("closed");
        mine.close();
        return;
      }
      pull();
    };
    mine.onclose = () => {
      if (socket !== mine || isOver || options.signal.aborted) return;
      options.onConnection("reconnecting");
      timer = window.setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  };

  options.signal.addEventListener("abort", () => {
    clearTimeout(timer);
    socket?.close();
  });
  // A laptop that wakes up should not wait for the backoff.
  window.addEventListener(
    "online",
    () => {
      if (!isOver && socket?.readyState === WebSocket.CLOSED) {
        clearTimeout(timer);
        open();
      }
    },
    { signal: options.signal },
  );
  options.onConnection("connecting");
  open();
}
