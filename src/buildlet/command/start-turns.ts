// Starting commands one after the other. To start a process takes all of Node's thread for some milliseconds: of many at
// once, the clients would wait for the headers of their replies until the last has been started.

let last: Promise<unknown> = Promise.resolve();

/** Starts one when those before it have been started, and everything else that waited has had its turn. */
export async function startInOrder<T>(start: () => Promise<T>): Promise<T> {
  const turn = last.then(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return await start();
  });
  last = turn.catch(() => undefined);
  return await turn;
}
