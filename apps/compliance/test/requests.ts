import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type {
  LinkPersonsRequest,
  RequestPermitRequest,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Database } from '@posthorn/postgres/database.js';
import { clock, type Tenant } from './harness.js';

/** A message to an address, as dispatcher asks for its permit. */
export const permitRequest = (
  tenant: Pick<Tenant, 'id'>,
  address: string,
  more: Partial<RequestPermitRequest> = {},
): RequestPermitRequest => ({
  ...{ tenantId: tenant.id, messageId: formatId('msg', newUuid(clock.nowMs())), sourceId: '' },
  ...{ channel: 'sms', address, category: 'transactional', program: '', answersEventId: '', timeZone: '' },
  ...{ country: '', postalCode: '', lastInboundAtMs: 0, isReplay: false, provider: 'twilio' },
  ...{ isTemplate: false, carrierReplies: [], ...more },
});

/** Two addresses of one person. @param personId of the first. */
export const linkRequest = (
  tenant: Pick<Tenant, 'id'>,
  personId: string,
  address: string,
): LinkPersonsRequest => ({
  ...{ tenantId: tenant.id, personId, actorId: 'key_test', addresses: [address], personIds: [] },
  principal: undefined,
});

/** An opt-out of intake; what is missing is what a STOP by SMS has. IDs are bytes. */
interface StoredOptOut {
  readonly tenantId: Buffer;
  readonly personHash: Buffer;
  readonly eventId?: Buffer;
  readonly channel?: string;
  readonly signal?: string;
  readonly program?: string | undefined;
  readonly provider?: string;
  readonly traceparent?: string;
}

/** What the append transaction of events adds: from then on it is in force, and waits to be written. */
export const storeWaiting = async (intake: Pick<Database, 'query'>, optOut: StoredOptOut): Promise<void> => {
  const { tenantId, personHash, eventId = newUuid(clock.nowMs()), channel = 'sms' } = optOut;
  const { signal = 'opt_out', program = '', provider = '', traceparent = '' } = optOut;
  await intake.query(
    `INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel, signal, program, provider, traceparent)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [uuidText(tenantId), personHash, uuidText(eventId), channel, signal, program, provider, traceparent],
  );
};
