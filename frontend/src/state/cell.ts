/** A value that others watch. Setting the same value again says nothing. */
export interface Cell<T> {
  get(): T;
  set(value: T): void;
  watch(listener: (value: T) => void, signal?: AbortSignal): void;
}

export function cell<T>(initial: T): Cell<T> {
  let value = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    watch(listener, signal) {
      listeners.add(listener);
      signal?.addEventListener("abort", () => listeners.delete(listener));
    },
  };
}
