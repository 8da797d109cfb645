import { uuidText } from '@posthorn/clock/id.js';
import type { EventsClient } from '../clients/events.client.js';
import type { DeliverableFact } from '../domain/delivery.js';
import type { HandoffPackage } from '../domain/handoff-part.js';

/**
 * What is told of hand-offs, asked for when a delivery is about to leave.
 * Nothing is kept: it is personal data, and may be erased at any time. Deliveries of one fact that leave together share
 * an answer, so there are never more questions than deliveries in flight.
 */
export class AskHandoffs {
  private readonly asked = new Map<string, Promise<HandoffPackage>>();

  constructor(private readonly events: Pick<EventsClient, 'describeHandoff'>) {}

  /** @throws AppError `service.unavailable`, `service.deadline` */
  of({ tenantId, eventId }: Pick<DeliverableFact, 'tenantId' | 'eventId'>): Promise<HandoffPackage> {
    const key = `${uuidText(tenantId)} ${uuidText(eventId)}`;
    let answer = this.asked.get(key);
    if (answer === undefined) {
      answer = this.events.describeHandoff(tenantId, eventId).finally(() => this.asked.delete(key));
      this.asked.set(key, answer);
    }
    return answer;
  }
}
