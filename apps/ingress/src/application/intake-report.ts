import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import type { Appended, AppendObserver, IntakeRequest } from '../clients/append.client.js';
import { LogBudget } from '../domain/log-budget.js';

const ACK_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const LINES_MAX = 20;
const LINES_WINDOW_MS = 1_000;
const NO_PROVIDER = 'none';
const UNAVAILABLE_STATUS = 503;

/** Whose request a line of the log is about. */
export interface RequestSubject {
  readonly requestId: string;
  readonly provider: string;
  readonly tenantId: string;
  readonly sourceId: string;
}

/** What intake counts and says about itself. Never a payload, an address or a secret. */
export class IntakeReport implements AppendObserver {
  /** Whether a stream to the event log is up. */
  isConnected = false;
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);
  private readonly requests;
  private readonly ackSeconds;
  private readonly unrecognized;
  private readonly unauthentic;
  private readonly batchSize;
  private readonly waitingRequests;
  private readonly inFlight;
  private readonly streamBreaks;
  private inFlightCount = 0;

  constructor(
    metrics: Metrics,
    private readonly log: Logger,
    private readonly clock: Clock,
  ) {
    this.requests = metrics.counter({
      name: 'posthorn_intake_requests_total',
      help: 'Provider requests by outcome: stored, duplicate, challenge, unavailable, failed, refused:<code>',
      labels: ['provider', 'outcome'],
    });
    this.ackSeconds = metrics.histogram({
      name: 'posthorn_intake_ack_seconds',
      help: 'From the whole request read to the answer, of requests that were stored or are duplicates',
      buckets: ACK_BUCKETS_SECONDS,
    });
    this.unrecognized = metrics.counter({
      name: 'posthorn_intake_unrecognized_events_total',
      help: 'Authentic events that were not understood: schema drift',
      labels: ['provider'],
    });
    // So that a rate is there before the first.
    for (const provider of PROVIDERS.keys()) this.unrecognized.inc({ provider }, 0);
    this.unauthentic = metrics.counter({
      name: 'posthorn_intake_monitored_requests_total',
      help: 'Unauthentic requests stored because their source only monitors, by cause',
      labels: ['provider', 'cause'],
    });
    this.batchSize = metrics.histogram({
      name: 'posthorn_intake_batch_requests',
      help: 'Requests in one batch to the event log',
      buckets: BATCH_BUCKETS,
    });
    this.waitingRequests = metrics.gauge({
      name: 'posthorn_intake_waiting_requests',
      help: 'Requests that wait for a batch',
    });
    this.inFlight = metrics.gauge({
      name: 'posthorn_intake_in_flight_requests',
      help: 'Requests that are read and not yet answered',
    });
    this.streamBreaks = metrics.counter({
      name: 'posthorn_intake_stream_breaks_total',
      help: 'Streams to the event log that broke or could not be opened',
    });
  }

  requestBegun(): void {
    this.inFlight.set(++this.inFlightCount);
  }

  requestEnded(): void {
    this.inFlight.set(--this.inFlightCount);
  }

  /** A request whose events are in the log, by it or by an earlier one. @param tookMs until now. */
  stored(subject: RequestSubject, request: IntakeRequest, appended: Appended, tookMs: number): void {
    const { provider } = subject;
    this.requests.inc({ provider, outcome: appended.isDuplicate ? 'duplicate' : 'stored' });
    this.ackSeconds.observe(tookMs / 1000);
    if (this.log.isDebugging) this.tellEvents(subject, request, appended, tookMs);
  }

  challenged(provider: string): void {
    this.requests.inc({ provider, outcome: 'challenge' });
  }

  notUnderstood(provider: string, events: number): void {
    this.unrecognized.inc({ provider }, events);
  }

  monitored(provider: string, cause: string): void {
    this.unauthentic.inc({ provider, cause });
  }

  /** A request that gets no 2xx. @param subject undefined when it is addressed to nobody. */
  refused(error: unknown, subject: RequestSubject | undefined): void {
    const code = error instanceof AppError ? error.code : 'internal.error';
    const isUnavailable = error instanceof AppError && error.entry.http === UNAVAILABLE_STATUS;
    const outcome = isUnavailable ? 'unavailable' : error instanceof AppError ? `refused:${code}` : 'failed';
    this.requests.inc({ provider: subject?.provider ?? NO_PROVIDER, outcome });
    const held = this.budget.take(this.clock.monotonicMs());
    if (held === undefined) return;
    const fields = { ...subject, stage: 'intake', outcome, code, ...(held > 0 && { count: held }) };
    if (isUnavailable) this.log.warn(fields, 'a request could not be stored; the provider is asked to retry');
    else this.log.info(fields, 'a request was refused');
  }

  /** An adapter threw on an authentic request: a bug; the request is kept all the same. */
  parserFailed(error: unknown, subject: RequestSubject): void {
    this.log.error({ ...subject, stage: 'parse', err: error }, 'an adapter failed; the request is kept');
  }

  /** A source that this version of the code cannot serve. */
  unusableSource(error: Error, subject: RequestSubject): void {
    if (this.budget.take(this.clock.monotonicMs()) === undefined) return;
    this.log.error({ ...subject, stage: 'route', err: error }, 'the settings of a source cannot be used');
  }

  batchSent(requests: number): void {
    this.batchSize.observe(requests);
  }

  waiting(requests: number): void {
    this.waitingRequests.set(requests);
  }

  connected(isUp: boolean): void {
    this.isConnected = isUp;
    if (isUp) this.log.info({ stage: 'append' }, 'the stream to the event log is up');
  }

  broken(cause: string): void {
    this.streamBreaks.inc();
    this.log.warn({ stage: 'append', cause }, 'the stream to the event log is down');
  }

  /** One line for each event; of a copy no ID is told, since no event has it. */
  private tellEvents(
    subject: RequestSubject,
    { events, traceparent }: IntakeRequest,
    { isDuplicate, eventsDuplicate }: Appended,
    durationMs: number,
  ): void {
    const outcome = isDuplicate ? 'duplicate' : eventsDuplicate > 0 ? 'partly_duplicate' : 'stored';
    const [, traceId] = traceparent.split('-');
    const shared = { ...subject, correlationId: subject.requestId, traceId, stage: 'intake', outcome };
    for (const { eventId, type } of events) {
      const name = isDuplicate ? {} : { eventId: formatId('evt', eventId) };
      this.log.debug({ ...name, type, ...shared, durationMs }, 'an event was taken');
    }
  }
}
