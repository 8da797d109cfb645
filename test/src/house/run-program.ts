const FAILED = 1;
const MISUNDERSTOOD = 2;

/** Arguments that a program does not understand: its message says all there is to say. */
export class ArgumentError extends Error {}

/** Runs a program and ends the process: with its code, 0 without one; with 2 when its arguments are wrong, 1 when it fails. */
export function runProgram(main: () => Promise<number | void>): void {
  main().then(
    (code) => process.exit(code ?? 0),
    (error: unknown) => {
      const isMisunderstood = error instanceof ArgumentError;
      console.error(isMisunderstood ? error.message : error);
      process.exit(isMisunderstood ? MISUNDERSTOOD : FAILED);
    },
  );
}
