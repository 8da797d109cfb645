import { createHash } from 'node:crypto';
import type pg from 'pg';
import { type SentRequest } from '../load/history.js';
import { type Receipt } from '../sink/sink.js';
import { uuidText } from '../wire/ids.js';
import { ProtoFields } from '../wire/protobuf.js';
import { type Keys, openSealed } from '../wire/sealed.js';
import {
  type DestinationUnderTest,
  type Evidence,
  type EventRow,
  type ShardNumbers,
  type Stored,
  type StoredDelivery,
  type StoredEvent,
  type StoredFact,
  type StoredMessage,
  type StoredRaw,
  type StoredTransition,
  type TenantUnderTest,
} from './evidence.js';

/** What is not finished, at one moment. */
export interface Pending {
  readonly events: number;
  readonly facts: number;
  readonly deliveries: number;
}

const REQUEST = { target: 2, body: 4 } as const;
const ATTRIBUTES = { providerMessageId: 2 } as const;
/** Told to services alone: no destination may get it, so for the judges it is no fact. */
const INTERNAL_TYPE = 'signal.observed';
const FACT = { id: 2, tenant: 3, type: 4, event: 5, message: 7, conversation: 8, person: 9 } as const;

/** Reads the database as its administrator, with SQL and formats of the checker's own. */
export class EvidenceReader {
  /** @param kek the key-encryption keys, from the platform's file. */
  constructor(
    private readonly db: pg.ClientBase,
    private readonly kek: Keys,
    private readonly tenants: readonly TenantUnderTest[],
  ) {}

  async read(
    sent: readonly SentRequest[],
    receipts: readonly Receipt[],
    destinations: readonly DestinationUnderTest[],
  ): Promise<Evidence> {
    const stored: Stored = {
      raws: await this.raws(),
      events: await this.events(),
      contents: await this.eventRows('events.content'),
      dedupKeys: await this.eventRows('events.dedup'),
      quarantined: await this.eventRows('events.quarantine'),
      transitions: await this.transitions(),
      messages: await this.rows<StoredMessage>(
        `SELECT tenant_id AS tenant, message_id AS message, source_id AS source,
                provider_message_id AS "providerMessageId", state
         FROM events.message WHERE tenant_id = ANY($1) AND merged_into IS NULL`,
      ),
      facts: await this.facts(),
      shards: await this.shards(),
      deliveries: await this.rows<StoredDelivery>(
        `SELECT tenant_id AS tenant, delivery_id AS delivery, fact_id AS fact, event_id AS event,
                destination_id AS destination, state
         FROM dispatch.delivery WHERE tenant_id = ANY($1)`,
      ),
    };
    return { tenants: this.tenants, destinations, sent, receipts, stored };
  }

  /** Counts only: cheap enough to ask again and again. */
  async pending(destinations: readonly DestinationUnderTest[]): Promise<Pending> {
    const { rows } = await this.db.query<Record<'events' | 'wanted' | 'handed' | 'deliveries', string>>(
      `SELECT
         (SELECT count(*) FROM events.event_log l WHERE l.tenant_id = ANY($1)
            AND NOT EXISTS (SELECT FROM events.transition t WHERE t.tenant_id = l.tenant_id AND t.event_id = l.event_id)
            AND NOT EXISTS (SELECT FROM events.quarantine q WHERE q.tenant_id = l.tenant_id AND q.event_id = l.event_id)
         ) AS events,
         (SELECT count(*) FROM events.outbox o JOIN events.event_log l USING (event_id)
            JOIN unnest($2::uuid[]) AS d (tenant_id) ON d.tenant_id = l.tenant_id
            WHERE position('${INTERNAL_TYPE}'::bytea IN o.fact) = 0) AS wanted,
         (SELECT count(*) FROM dispatch.delivery WHERE destination_id = ANY($3)) AS handed,
         (SELECT count(*) FROM dispatch.delivery WHERE tenant_id = ANY($1)
            AND state NOT IN ('succeeded', 'dead', 'suppressed', 'canceled')) AS deliveries`,
      [
        this.tenants.map(({ uuid }) => uuid),
        destinations.filter(({ eventTypes }) => eventTypes.length === 0).map(({ tenant }) => tenant),
        destinations.filter(({ eventTypes }) => eventTypes.length === 0).map(({ uuid }) => uuid),
      ],
    );
    const { events, wanted, handed, deliveries } = rows[0]!;
    return {
      events: Number(events),
      facts: Math.max(0, Number(wanted) - Number(handed)),
      deliveries: Number(deliveries),
    };
  }

  private async rows<T>(text: string): Promise<T[]> {
    const { rows } = await this.db.query(text, [this.tenants.map(({ uuid }) => uuid)]);
    return rows as T[];
  }

  private eventRows(table: string): Promise<EventRow[]> {
    return this.rows(`SELECT tenant_id AS tenant, event_id AS event FROM ${table} WHERE tenant_id = ANY($1)`);
  }

  private async raws(): Promise<StoredRaw[]> {
    const keys = await this.dataKeys();
    const rows = await this.rows<{ tenant: string; request: string; source: string; body: Buffer }>(
      `SELECT tenant_id AS tenant, request_id AS request, source_id AS source, body
       FROM events.raw WHERE tenant_id = ANY($1)`,
    );
    return rows.map(({ tenant, request, source, body }) => {
      const content = openRequest(body, keys, tenant, request);
      return { tenant, request, source, content };
    });
  }

  private async dataKeys(): Promise<Keys> {
    const rows = await this.rows<{ tenant: string; id: string; wrapped: Buffer }>(
      `SELECT tenant_id AS tenant, key_id AS id, wrapped FROM tenants.data_key WHERE tenant_id = ANY($1)`,
    );
    return new Map(
      rows.map(({ tenant, id, wrapped }) => [
        id.replaceAll('-', ''),
        openSealed(wrapped, this.kek, 'key', tenant, id),
      ]),
    );
  }

  /** What is in the log. */
  async events(): Promise<StoredEvent[]> {
    const rows = await this.rows<Omit<StoredEvent, 'providerMessageId'> & { attributes: Buffer }>(
      `SELECT tenant_id AS tenant, event_id AS event, source_id AS source,
              coalesce(request_id::text, '') AS request, type, attributes
       FROM events.event_log WHERE tenant_id = ANY($1)`,
    );
    return rows.map(({ attributes, ...event }) => ({
      ...event,
      providerMessageId: new ProtoFields(attributes).text(ATTRIBUTES.providerMessageId),
    }));
  }

  private transitions(): Promise<StoredTransition[]> {
    return this.rows(
      `SELECT tenant_id AS tenant, event_id AS event, coalesce(message_id::text, '') AS message, to_state AS "to",
              is_applied AS "isApplied"
       FROM events.transition WHERE tenant_id = ANY($1)`,
    );
  }

  private async facts(): Promise<StoredFact[]> {
    const rows = await this.rows<{ shard: number; sequence: string; event: string; fact: Buffer }>(
      `SELECT o.shard, o.sequence, o.event_id AS event, o.fact
       FROM events.outbox o LEFT JOIN events.event_log l USING (event_id)
       WHERE (l.event_id IS NULL OR l.tenant_id = ANY($1))
         AND position('${INTERNAL_TYPE}'::bytea IN o.fact) = 0`,
    );
    return rows.map(({ shard, sequence, event, fact }) => {
      const fields = new ProtoFields(fact);
      const key = [FACT.conversation, FACT.message, FACT.person].find(
        (field) => fields.bytes(field).length > 0,
      );
      return {
        tenant: uuidText(fields.bytes(FACT.tenant)),
        shard,
        sequence: Number(sequence),
        fact: uuidText(fields.bytes(FACT.id)),
        event,
        type: fields.text(FACT.type),
        orderKey: key === undefined ? '' : `${key}:${fields.bytes(key).toString('hex')}`,
      };
    });
  }

  private async shards(): Promise<ShardNumbers[]> {
    const { rows } = await this.db.query<Record<keyof ShardNumbers, string>>(
      `SELECT s.shard, s.head_sequence AS head, coalesce(min(o.sequence), 1) AS first,
              coalesce(max(o.sequence), 0) AS last, count(o.sequence) AS count,
              count(DISTINCT o.sequence) AS distinct
       FROM events.shard s LEFT JOIN events.outbox o USING (shard) GROUP BY s.shard ORDER BY s.shard`,
    );
    return rows.map((row) => ({
      shard: Number(row.shard),
      first: Number(row.first),
      last: Number(row.last),
      count: Number(row.count),
      distinct: Number(row.distinct),
      head: Number(row.head),
    }));
  }
}

function openRequest(
  body: Buffer,
  keys: Keys,
  tenant: string,
  request: string,
): { target: string; bodyHash: string } | undefined {
  try {
    const fields = new ProtoFields(openSealed(body, keys, 'raw', tenant, request));
    const bodyHash = createHash('sha256').update(fields.bytes(REQUEST.body)).digest('hex');
    return { target: fields.text(REQUEST.target), bodyHash };
  } catch {
    return undefined;
  }
}
