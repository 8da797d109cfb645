import { type RunningPlatform } from '../house/running-platform.js';
import { type Sink } from '../sink/sink.js';

/** What a rehearsal has to itself. */
export interface Stage {
  readonly platform: RunningPlatform;
  readonly sink: Sink;
}

/** What is left when it is over. */
export interface Tally {
  readonly lost: number;
  readonly doubled: number;
  /** What else is not as it should be; empty when all is well. */
  readonly problems: readonly string[];
}

/** An incident that is ready to begin: its tenants, sources and senders are there. */
export interface Scene {
  /** What the runbook's preparation takes from its environment: TENANT, SOURCE … */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes it happen, and lets it go on. */
  begin(): Promise<void>;
  /** The cause ends, as it would by somebody else's hands; traffic goes on, or ends. */
  end(): Promise<void>;
  /** Counts, once the runbook says that all is well. */
  tally(): Promise<Tally>;
}

/** One thing that goes wrong, and the runbook and the alert that are about it. */
export interface Incident {
  /** The runbook's name. */
  readonly name: string;
  readonly alert: string;
  /** Labels that the alert must have, so that it is not somebody else's. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly setUp: (stage: Stage, run: string) => Promise<Scene>;
}
