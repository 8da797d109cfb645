/** Milliseconds to wait after this many failures: doubling, capped, half of it random. */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(failures, 20));
  return ceiling * (0.5 + Math.random() / 2);
}
