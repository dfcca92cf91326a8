// Starts commands one after the other. Starting a process blocks Node's thread for some milliseconds: with many at
// once, the clients would wait for the headers of their replies until the last has been started.

let last: Promise<unknown> = Promise.resolve();

/** Starts a command after those before it, and after other pending work. */
export async function startInOrder<T>(start: () => Promise<T>): Promise<T> {
  const turn = last.then(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return await start();
  });
  last = turn.catch(() => undefined);
  return await turn;
}
