interface Run {
  readonly done: Promise<void>;
  /** The one after it, once somebody asked for it. */
  next?: Promise<void>;
}

/**
 * Does something for a key that everybody who asks meanwhile can share.
 * Why nobody joins a run that is under way: it may have looked before what they must see was there. They share the next
 * one, so there are two at most of a key, one of them waiting.
 */
export class SharedRuns {
  private readonly runs = new Map<string, Run>();

  constructor(private readonly work: (key: string) => Promise<void>) {}

  /** Resolves, or rejects, as a run does that begins after the call. */
  run(key: string): Promise<void> {
    const run = this.runs.get(key);
    if (run === undefined) return this.begin(key);
    run.next ??= run.done.catch(() => undefined).then(() => this.begin(key));
    return run.next;
  }

  private begin(key: string): Promise<void> {
    const run: Run = {
      done: this.work(key).finally(() => {
        if (run.next === undefined) this.runs.delete(key);
      }),
    };
    this.runs.set(key, run);
    return run.done;
  }
}
