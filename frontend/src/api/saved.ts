import { ApiError, sourceOf, type ProfileSource } from "./client";

/** What backend/saved/saved.h exports; addresses and lengths are numbers. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  room(length: number): number;
  open(): number;
  ask(): number;
  answer(): number;
  answer_len(): number;
}

const REFUSED = 2;
const NOT_FOUND = 3;

/** The page was saved with its profile inside, and there is no server. */
export function isSavedPage(): boolean {
  return document.documentElement.dataset["heliograph"] === "saved";
}

/** Takes the base64 text of an element and undoes its gzip. */
async function unpackElement(id: string): Promise<Uint8Array<ArrayBuffer>> {
  const element = document.getElementById(id);
  const digits = element?.textContent ?? "";
  element?.remove();
  if (!digits) throw new Error("the file is cut short: its profile is missing");
  const text = atob(digits);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The four things wasi-libc asks of its host; there are no files here. */
const NO_FILE = 8;
function hostOf(memory: () => WebAssembly.Memory): WebAssembly.ModuleImports {
  return {
    fd_close: () => NO_FILE,
    fd_seek: () => NO_FILE,
    fd_write: () => NO_FILE,
    random_get(at: number, length: number) {
      crypto.getRandomValues(new Uint8Array(memory().buffer, at, length));
      return 0;
    },
  };
}

class Inside {
  constructor(
    private readonly exports: Exports,
    readonly file: Uint8Array<ArrayBuffer>,
  ) {}

  put(bytes: Uint8Array): void {
    const at = this.exports.room(bytes.length);
    if (!at) throw new ApiError(0, "no_memory", "the browser has no memory for this profile");
    new Uint8Array(this.exports.memory.buffer).set(bytes, at >>> 0);
  }

  /** A copy: the next question overwrites it. */
  take(result: number): ArrayBuffer {
    const { exports } = this;
    const at = exports.answer() >>> 0;
    const answer = exports.memory.buffer.slice(at, at + (exports.answer_len() >>> 0)) as ArrayBuffer;
    if (result < REFUSED) return answer;
    const { code, message } = JSON.parse(new TextDecoder().decode(answer)) as { code: string; message: string };
    throw new ApiError(result === NOT_FOUND ? 404 : 400, code, message);
  }

  open(): void {
    this.put(this.file);
    this.take(this.exports.open());
  }

  ask(question: string, query: URLSearchParams): ArrayBuffer {
    const words = [question || "profile", ...[...query].flat()];
    this.put(new TextEncoder().encode(words.map((word) => `${word.replaceAll("\0", "")}\0`).join("")));
    return this.take(this.exports.ask());
  }
}

/** The profile inside the page, answered by the server's own code as WebAssembly. */
export async function savedSource(): Promise<ProfileSource> {
  const [code, file] = await Promise.all([unpackElement("heliograph-code"), unpackElement("heliograph-data")]);
  let memory: WebAssembly.Memory | null = null;
  const { instance } = await WebAssembly.instantiate(code, {
    wasi_snapshot_preview1: hostOf(() => memory as WebAssembly.Memory),
  });
  const exports = instance.exports as unknown as Exports;
  memory = exports.memory;
  exports._initialize();
  const inside = new Inside(exports, file);
  inside.open();
  return sourceOf("profile", {
    json: <T>(question: string, query: URLSearchParams) =>
      Promise.resolve().then(() => JSON.parse(new TextDecoder().decode(inside.ask(question, query))) as T),
    bytes: (question, query) => Promise.resolve().then(() => inside.ask(question, query)),
    exportUrl: () => "",
    file: new Blob([file], { type: "application/octet-stream" }),
  });
}
