// Loops that `await using` takes, on every Node.

/** The generator, whose disposal ends it: before Node 24, generators have none of their own. */
export function disposableLoop<T>(loop: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  loop[Symbol.asyncDispose] ??= async () => {
    await loop.return();
  };
  return loop;
}
