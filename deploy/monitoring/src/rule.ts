/** What a recording rule is: a name of the form `level:metric:operation` and what it stands for. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** An alert as Prometheus reads it. Every one names how bad it is, what it means, and what to do. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>> & { readonly severity: 'page' | 'ticket' };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    /** Path in the repository, `docs/runbooks/<name>.md`. */
    readonly runbook: string;
  };
}

/** Rules that are evaluated together, in order. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time as it is said, such as `5m` or `3d`. */
export type Duration = `${number}${keyof typeof UNITS_MS}`;

/**
 * Time as the rules see it. Scaled, an hour passes in a minute: so that a rehearsal needs minutes where production needs days.
 * Only time is scaled: ranges, waits and ages; never a latency that was promised.
 */
export class TimeScale {
  /** @param factor what every length of time is multiplied by; 1 is what ships. */
  constructor(readonly factor = 1) {}

  /** As Prometheus writes it. */
  range(duration: Duration): string {
    const ms = Math.max(1, Math.round(this.ms(duration)));
    if (this.factor === 1) return duration;
    return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
  }

  /** In seconds, as a number to compare an age with. */
  seconds(duration: Duration): string {
    return String(this.ms(duration) / 1_000);
  }

  private ms(duration: Duration): number {
    return Number(duration.slice(0, -1)) * UNITS_MS[duration.at(-1) as keyof typeof UNITS_MS] * this.factor;
  }
}
