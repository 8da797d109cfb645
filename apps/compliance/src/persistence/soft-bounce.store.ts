import type { Tx } from '@posthorn/postgres/database.js';
import type { MailDelivery } from '../domain/mail-delivery.js';
import type { Person } from '../domain/person.js';
import { SOFT_BOUNCES_MAX, SOFT_BOUNCE_WINDOW_MS, type SoftBounce } from '../domain/soft-bounces.js';

/** Mails that came through are kept so long before the person's newest one: a bounce may be told late. */
const DELIVERY_KEPT_MS = 3 * SOFT_BOUNCE_WINDOW_MS;
/** Soft bounces of one person that are read when a suppression is judged again. */
const HISTORY_MAX = 10_000;

const OF_PERSON = `SELECT signaled_at FROM compliance.consent_signal
                   WHERE tenant_id = $1 AND person_hash = $2 AND kind = 'soft_bounce'`;
const withDeliveries = (bounces: string): string => `
  SELECT bounce.signaled_at, mail.delivered_at FROM (${bounces}) AS bounce
  LEFT JOIN LATERAL (
    SELECT delivered_at FROM compliance.mail_delivery
    WHERE tenant_id = $1 AND person_hash = $2 AND delivered_at < bounce.signaled_at
    ORDER BY delivered_at DESC LIMIT 1) AS mail ON true`;

/** Those that can be in a row with one of them: as many as decide, on both sides of it. */
const AROUND = {
  name: 'soft_bounces_around',
  text: withDeliveries(`(${OF_PERSON} AND signaled_at <= $3 ORDER BY signaled_at DESC LIMIT ${SOFT_BOUNCES_MAX})
    UNION ALL (${OF_PERSON} AND signaled_at > $3 ORDER BY signaled_at LIMIT ${SOFT_BOUNCES_MAX - 1})`),
};
const ALL = {
  name: 'soft_bounces_all',
  text: withDeliveries(`${OF_PERSON} ORDER BY signaled_at DESC LIMIT ${HISTORY_MAX}`),
};

interface Row {
  readonly signaled_at: Date;
  readonly delivered_at: Date | null;
}

/** Soft bounces of persons, and the mails that came through to them in between. */
export class SoftBounceStore {
  /** Of mails that came through, those to persons who had a soft bounce not too long before, or later. */
  async concerned(db: Pick<Tx, 'query'>, deliveries: readonly MailDelivery[]): Promise<MailDelivery[]> {
    if (deliveries.length === 0) return [];
    const { rows } = await db.query<{ n: string }>(
      {
        name: 'soft_bounces_concerned',
        text: `SELECT mail.n FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[])
                 WITH ORDINALITY AS mail (tenant_id, person_hash, since, n)
               WHERE EXISTS (SELECT FROM compliance.consent_signal AS signal
                             WHERE signal.tenant_id = mail.tenant_id AND signal.person_hash = mail.person_hash
                               AND signal.kind = 'soft_bounce' AND signal.signaled_at > mail.since)`,
      },
      columnsOf(deliveries, SOFT_BOUNCE_WINDOW_MS),
    );
    return rows.map(({ n }) => deliveries[Number(n) - 1]!);
  }

  /** Keeps mails that came through, and of each of these persons no much older ones. Under the locks on them. */
  async record(tx: Tx, deliveries: readonly MailDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    await tx.query(
      {
        name: 'record_mail_deliveries',
        text: `WITH added AS (
                 INSERT INTO compliance.mail_delivery (tenant_id, person_hash, delivered_at)
                 SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[])
                 ON CONFLICT DO NOTHING
                 RETURNING tenant_id, person_hash, delivered_at)
               DELETE FROM compliance.mail_delivery AS old USING added
               WHERE old.tenant_id = added.tenant_id AND old.person_hash = added.person_hash
                 AND old.delivered_at < added.delivered_at - $4 * interval '1 millisecond'`,
      },
      [...columnsOf(deliveries, 0), DELIVERY_KEPT_MS],
    );
  }

  /** The soft bounces of a person next to one of them. */
  async around(tx: Tx, person: Person, atMs: number): Promise<SoftBounce[]> {
    const { rows } = await tx.query<Row>(AROUND, [person.tenantId, person.hash, new Date(atMs)]);
    return rows.map(bounceOf);
  }

  /** All soft bounces of a person, the newest HISTORY_MAX. */
  async all(tx: Tx, person: Person): Promise<SoftBounce[]> {
    const { rows } = await tx.query<Row>(ALL, [person.tenantId, person.hash]);
    return rows.map(bounceOf);
  }
}

const bounceOf = ({ signaled_at, delivered_at }: Row): SoftBounce => ({
  atMs: signaled_at.getTime(),
  deliveredBeforeMs: delivered_at?.getTime(),
});

const columnsOf = (deliveries: readonly MailDelivery[], earlierMs: number): unknown[] => [
  deliveries.map(({ person }) => person.tenantId),
  deliveries.map(({ person }) => person.hash),
  deliveries.map(({ atMs }) => new Date(atMs - earlierMs)),
];
