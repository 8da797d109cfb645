/**
 * Does something again and again, one round after the other, with a pause between the end of one and the start of the
 * next, until it is stopped.
 */
export class Rounds {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private isOver = false;

  /** @param pauseMs between two rounds. @param round never rejects: it tells its failures itself. */
  constructor(
    private readonly pauseMs: number,
    private readonly round: () => Promise<unknown>,
  ) {}

  /** For long rounds, which should look at it at times. */
  get isStopped(): boolean {
    return this.isOver;
  }

  /** The first round begins after a pause. */
  start(): void {
    if (!this.isOver) this.timer = setTimeout(() => this.startNow(), this.pauseMs);
  }

  /** The first round begins now. */
  startNow(): void {
    this.running = this.round().finally(() => this.start());
  }

  /** Begins no further round. Resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.isOver = true;
    clearTimeout(this.timer);
    await this.running;
  }
}
