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
  const answer = fetch(path);
  answer.catch(() => undefined); // told where it is taken
  (window.heliographAhead ??= new Map()).set(path, answer);
}

export function takeAnswer(path: string): Promise<Response> | undefined {
  const answer = window.heliographAhead?.get(path);
  window.heliographAhead?.delete(path);
  return answer;
}
