/**
 * Answers that were asked for before the page's own code was here (early.ts), by path. Two scripts
 * share them, so they hang on the window. Each is taken once: asked again, the server is asked.
 */
declare global {
  interface Window {
    heliographAhead?: Map<string, Promise<Response>>;
  }
}

export function askAhead(path: string): void {
  const answer = fetch(path).then(readWhole);
  answer.catch(() => undefined); // told where it is taken
  (window.heliographAhead ??= new Map()).set(path, answer);
}

export function takeAnswer(path: string): Promise<Response> | undefined {
  const answer = window.heliographAhead?.get(path);
  window.heliographAhead?.delete(path);
  return answer;
}

/** The body as well, while the page's code is still on its way. */
async function readWhole(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  const body = status === 204 ? null : await response.arrayBuffer();
  return new Response(body, { status, statusText, headers });
}
