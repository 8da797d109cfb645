import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';

const DELIVERIES_MAX = 200;

/** One event's story: what the log, the projector and the dispatcher know of it, in order of time. */
export class ExplainEvent {
  constructor(
    private readonly events: Pick<EventsClient, 'query' | 'read'>,
    private readonly dispatcher: Pick<DispatcherClient, 'query' | 'read'>,
  ) {}

  /** @throws AppError `event.not_found` */
  async run(tenantId: string, id: string) {
    const [timeline, deliveries] = await Promise.all([
      this.events.query.getEventTimeline({ tenantId, id }, this.events.read),
      this.dispatcher.query.listDeliveries(
        {
          tenantId,
          eventId: id,
          limit: DELIVERIES_MAX,
          cursor: '',
          destinationId: '',
          state: '',
          fromMs: 0,
          toMs: 0,
        },
        this.dispatcher.read,
      ),
    ]);
    const event = timeline.event!;
    const empty = {
      detail: '',
      factId: '',
      messageId: '',
      conversationId: '',
      fromState: '',
      toState: '',
      effect: '',
      deliveryId: '',
      destinationId: '',
    };
    const entries = [
      ...timeline.entries.map((entry) => ({ ...empty, ...entry })),
      ...deliveries.deliveries.flatMap((delivery) => {
        const common = {
          ...empty,
          factId: delivery.factId,
          deliveryId: delivery.id,
          destinationId: delivery.destinationId,
        };
        return [
          {
            ...common,
            atMs: delivery.createdAtMs,
            stage: 'delivery',
            detail: `${delivery.type}, now ${delivery.state}`,
          },
          ...delivery.attempts.map((attempt) => ({
            ...common,
            atMs: attempt.startedAtMs + attempt.durationMs,
            stage: 'attempt',
            detail: `attempt ${attempt.number}: ${attempt.outcome}${attempt.statusCode === 0 ? '' : ` ${attempt.statusCode}`} after ${attempt.durationMs.toFixed(1)} ms`,
          })),
        ];
      }),
    ];
    return { event, entries: entries.sort((a, b) => a.atMs - b.atMs) };
  }
}
