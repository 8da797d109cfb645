import type { Clock } from '@posthorn/clock/clock.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import type { Appended, IntakeRequest } from '../clients/append.client.js';
import type { IntakeSignal, SignalClient } from '../clients/signal.client.js';
import { LogBudget } from '../domain/log-budget.js';
import { unauthenticCauseIn } from '../domain/original-event.js';

/**
 * So long after its commit an opt-out is in force whatever else happens: every permit given before has expired
 * (400 ms, and 100 for a process that stalls), and none is given past its pending row. Source: decision 8.
 */
export const HOLD_MS = 500;
/** What must be in force before the provider hears 2xx. */
const SIGNALS: ReadonlySet<string> = new Set(['opt_out', 'complaint']);
const SECONDS_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1];
const LINES_MAX = 5;
const LINES_WINDOW_MS = 1_000;

/** Keeps the promise that after an acknowledged opt-out no send begins. */
export class EnforceOptOuts {
  private readonly outcomes;
  private readonly seconds;
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);

  constructor(
    private readonly signals: Pick<SignalClient, 'isInForce'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter({
      name: 'posthorn_intake_opt_outs_total',
      help: 'Requests with an opt-out: in force with their commit, applied by compliance, or held until no older permit can be valid',
      labels: ['outcome'],
    });
    this.seconds = metrics.histogram({
      name: 'posthorn_intake_opt_out_seconds',
      help: 'From the commit of a request with an opt-out until it was in force',
      buckets: SECONDS_BUCKETS,
    });
  }

  /**
   * Resolves when every opt-out of a committed request is in force; at once when there is none, after `HOLD_MS` at
   * the latest. Never rejects.
   * Why nothing is said of one that is in force with its commit: its pending row refuses every permit, and its fact
   * has it written.
   * Why what was there before is held and not applied: its event is another one, whose pending row stands until
   * compliance has applied it.
   */
  async run(request: IntakeRequest, { eventsDuplicate, areOptOutsInForce }: Appended): Promise<void> {
    const signals = signalsOf(request);
    if (signals.length === 0) return;
    if (areOptOutsInForce && eventsDuplicate === 0) return this.settle('committed', 0);
    const committedMs = this.clock.monotonicMs();
    const isApplied = eventsDuplicate === 0 && (await this.apply(signals, committedMs));
    if (!isApplied) await pause(HOLD_MS - (this.clock.monotonicMs() - committedMs));
    this.settle(isApplied ? 'applied' : 'held', this.clock.monotonicMs() - committedMs);
  }

  private settle(outcome: 'committed' | 'applied' | 'held', tookMs: number): void {
    this.outcomes.inc({ outcome });
    this.seconds.observe(tookMs / 1_000);
  }

  private async apply(signals: readonly IntakeSignal[], committedMs: number): Promise<boolean> {
    try {
      // The call has a deadline of its own; whatever comes first ends the wait.
      const all = Promise.all(signals.map((signal) => this.signals.isInForce(signal)));
      const answers = await Promise.race([all, pause(HOLD_MS)]);
      return answers !== undefined && answers.every((isInForce) => isInForce);
    } catch (error) {
      const held = this.budget.take(committedMs);
      if (held !== undefined)
        this.log.warn(
          { stage: 'opt_out', err: error, count: held },
          'compliance did not apply an opt-out; it is held until no older permit can be valid',
        );
      return false;
    }
  }
}

function signalsOf({ tenantId, sourceId, provider, receivedAtMs, traceparent, events }: IntakeRequest) {
  return events.flatMap(({ eventId, personHash, occurredAtMs, attributes }): IntakeSignal[] =>
    attributes === undefined || !SIGNALS.has(attributes.signal) || personHash.length === 0
      ? []
      : [
          {
            ...{ tenantId, eventId, sourceId, personHash, channel: attributes.channel },
            ...{ signal: attributes.signal, occurredAtMs, receivedAtMs, provider, traceparent },
            program: attributes.program,
            unverified: unauthenticCauseIn(attributes.note) === undefined ? undefined : true,
          },
        ],
  );
}

const pause = (ms: number): Promise<undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(undefined), Math.max(0, ms)));
