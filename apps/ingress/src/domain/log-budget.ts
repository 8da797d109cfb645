/**
 * How many lines of one kind may be logged: a flood of refusals must not become a flood of lines.
 * Counts what it held back, so that nothing disappears without a trace.
 */
export class LogBudget {
  private windowStartMs = Number.NEGATIVE_INFINITY;
  private used = 0;
  private held = 0;

  /** @param linesMax per window. */
  constructor(
    private readonly linesMax: number,
    private readonly windowMs: number,
  ) {}

  /**
   * @param nowMs monotonic milliseconds.
   * @returns undefined when this line is held back, else how many were since the line before.
   */
  take(nowMs: number): number | undefined {
    if (nowMs - this.windowStartMs >= this.windowMs) {
      this.windowStartMs = nowMs;
      this.used = 0;
    }
    if (this.used >= this.linesMax) {
      this.held += 1;
      return undefined;
    }
    this.used += 1;
    const held = this.held;
    this.held = 0;
    return held;
  }
}
