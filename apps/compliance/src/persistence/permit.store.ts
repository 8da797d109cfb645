import { uuidTimeMs, uuidBytes } from '@posthorn/clock/id.js';
import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { PERMIT_OPEN_MS } from '../domain/send-request.js';
import { personKey, type Person } from '../domain/person.js';
import type { Answer } from '../domain/sending-rules/recipient-rules.js';
import { firstUuidOf } from './send-facts.read.js';

/** Permits of one transaction. */
export const PERMITS_MAX = 64;
/** No permit older than that is open, whatever the clocks of the processes say. */
const OPEN_SEARCH_MS = 60_000;

/** Rules that permit a message to somebody who has opted out: the answer that the opt-out, or a HELP, gets. */
const ANSWER_RULES: readonly Answer[] = ['opt_out.confirmation', 'opt_out.help_answer'];
/** The clocks of two processes may be so far apart. */
const CLOCKS_APART_MS = 1_000;

/** Which message may be answered an event with. */
export interface AnswerClaim {
  readonly tenantId: string;
  /** The event, and those that are answered with it; under the first one it is claimed. */
  readonly eventIds: readonly string[];
  readonly messageId: string;
}

/** How a decision came out, as it is kept. */
export interface NewDecision {
  readonly id: string;
  readonly person: Person;
  readonly messageId: string;
  readonly sourceId: string | undefined;
  readonly channel: string;
  readonly category: string;
  readonly program: string;
  readonly kind: 'allow' | 'deny' | 'defer';
  readonly rule: string;
  readonly detail: string;
  readonly untilMs: number;
  readonly isReplay: boolean;
  readonly policyVersion: number;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly decidedAtMs: number;
}

/** The end of a permit. */
export interface PermitClosing {
  readonly tenantId: string;
  readonly permitId: string;
  readonly outcome: 'sent' | 'not_sent' | 'unknown';
}

const text = (name: string) => ({ name, type: 'text' });
const uuid = (name: string) => ({ name, type: 'uuid' });

const insertDecision = new BatchInsert<NewDecision>({
  name: 'decision',
  into: 'compliance.decision',
  columns: [
    ...[uuid('tenant_id'), uuid('decision_id'), { name: 'person_hash', type: 'bytea' }, uuid('message_id')],
    ...[uuid('source_id'), text('channel'), text('category'), text('program'), text('kind'), text('rule')],
    ...[text('detail'), { name: 'until_at', type: 'timestamptz' }, { name: 'is_replay', type: 'boolean' }],
    ...[
      { name: 'policy_version', type: 'int' },
      { name: 'facts', type: 'jsonb' },
    ],
    { name: 'decided_at', type: 'timestamptz' },
  ],
  rowsMax: PERMITS_MAX,
});

/** Decisions, the permits among them, and who may answer what. */
export class PermitStore {
  async addDecisions(tx: Tx, decisions: readonly NewDecision[]): Promise<void> {
    await insertDecision.run(tx, decisions, (one) => [
      ...[one.person.tenantId, one.id, one.person.hash, one.messageId, one.sourceId ?? null],
      ...[one.channel, one.category, one.program, one.kind, one.rule, one.detail],
      ...[one.untilMs === 0 ? null : new Date(one.untilMs), one.isReplay, one.policyVersion],
      ...[JSON.stringify(one.facts), new Date(one.decidedAtMs)],
    ]);
  }

  /** Opens permits under the IDs of their decisions; the database's clock ends them. */
  async open(
    tx: Tx,
    permits: readonly { readonly id: string; readonly person: Person; readonly isMarketing: boolean }[],
  ): Promise<void> {
    if (permits.length === 0) return;
    await tx.query(
      {
        name: 'open_permits',
        text: `INSERT INTO compliance.permit (tenant_id, permit_id, person_hash, is_marketing, given_at, expires_at)
               SELECT tenant_id, permit_id, person_hash, is_marketing, at, at + ${PERMIT_OPEN_MS} * interval '1 millisecond'
               FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::boolean[])
                      AS permit (tenant_id, permit_id, person_hash, is_marketing),
                    clock_timestamp() AS at`,
      },
      [
        permits.map(({ person }) => person.tenantId),
        permits.map(({ id }) => id),
        permits.map(({ person }) => person.hash),
        permits.map(({ isMarketing }) => isMarketing),
      ],
    );
  }

  /** The first word about each permit counts; one that is not known is left alone. */
  async close(tx: Pick<Tx, 'query'>, closings: readonly PermitClosing[]): Promise<void> {
    const ids = closings.map(({ permitId }) => permitId);
    await tx.query(
      {
        name: 'close_permits',
        text: `UPDATE compliance.permit SET closed_at = clock_timestamp(), outcome = closing.outcome
               FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS closing (tenant_id, permit_id, outcome)
               WHERE permit.tenant_id = closing.tenant_id AND permit.permit_id = closing.permit_id
                 AND permit.closed_at IS NULL AND permit.permit_id >= $4`,
      },
      [
        ...[closings.map(({ tenantId }) => tenantId), ids, closings.map(({ outcome }) => outcome)],
        // Names the days to look at.
        firstUuidOf(Math.min(...ids.map((id) => uuidTimeMs(uuidBytes(id))))),
      ],
    );
  }

  /**
   * How many of these messages were permitted although their recipient had opted out of everything before: none, ever.
   * What was said counts from its commit while it waits to be written, and from its writing on; of a tenant whose key of
   * persons was changed, from its writing on only, as what waits has the log's names.
   * Why another statement than the one that decides: it is to find that one's mistakes.
   */
  async givenDespiteOptOut(
    db: Pick<Tx, 'query'>,
    permits: readonly Pick<PermitClosing, 'tenantId' | 'permitId'>[],
  ): Promise<number> {
    const { rows } = await db.query<{ count: string }>(
      {
        name: 'permits_despite_opt_out',
        // LIMIT: otherwise the plan that serves every call goes through the days of all decisions, not of these.
        text: `SELECT count(*) AS count
               FROM unnest($1::uuid[], $2::uuid[]) AS closed (tenant_id, permit_id)
               CROSS JOIN LATERAL (
                 SELECT tenant_id, person_hash, channel, decided_at FROM compliance.decision
                 WHERE decision.tenant_id = closed.tenant_id AND decision.decision_id = closed.permit_id
                   AND decision.decision_id >= $3 AND decision.rule <> ALL ($4::text[]) LIMIT 1) AS given
               WHERE EXISTS (
                 SELECT FROM compliance.suppression
                 WHERE suppression.tenant_id = given.tenant_id AND suppression.person_hash = given.person_hash
                   AND suppression.channel IN ('all', given.channel) AND suppression.scope = 'all'
                   AND suppression.reason = 'opt_out' AND suppression.lifted_at IS NULL
                   AND suppression.created_at < given.decided_at - $5 * interval '1 millisecond')
                 OR EXISTS (
                 SELECT FROM compliance.pending_signal AS waiting
                 WHERE waiting.tenant_id = given.tenant_id AND waiting.person_hash = given.person_hash
                   AND waiting.signal = 'opt_out' AND waiting.program = ''
                   AND waiting.stored_at < given.decided_at - $5 * interval '1 millisecond')`,
      },
      [
        ...[permits.map(({ tenantId }) => tenantId), permits.map(({ permitId }) => permitId)],
        firstUuidOf(Math.min(...permits.map(({ permitId }) => uuidTimeMs(uuidBytes(permitId))))),
        ...[ANSWER_RULES, CLOCKS_APART_MS],
      ],
    );
    return Number(rows[0]!.count);
  }

  /**
   * The open permits of these persons and those linked with them.
   * @returns permit IDs by `personKey`. @param nowMs where to begin to look.
   */
  async openOf(tx: Tx, persons: readonly Person[], nowMs: number): Promise<Map<string, string[]>> {
    const { rows } = await tx.query<{ n: string; permit_id: string }>(
      {
        name: 'open_permits_of',
        text: `SELECT grouped.n, permit.permit_id
               FROM (SELECT n, tenant_id, person_hash
                     FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS person (tenant_id, person_hash, n)
                     UNION
                     SELECT n, tenant_id, linked.person_hash
                     FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS person (tenant_id, person_hash, n)
                     JOIN compliance.person_link AS own USING (tenant_id, person_hash)
                     JOIN compliance.person_link AS linked USING (tenant_id, group_id)) AS grouped
               JOIN compliance.permit USING (tenant_id, person_hash)
               WHERE permit.permit_id >= $3 AND permit.closed_at IS NULL
                 AND permit.expires_at > clock_timestamp()`,
      },
      [
        ...[persons.map(({ tenantId }) => tenantId), persons.map(({ hash }) => hash)],
        firstUuidOf(nowMs - OPEN_SEARCH_MS),
      ],
    );
    const open = new Map<string, string[]>();
    for (const { n, permit_id } of rows) {
      const key = personKey(persons[Number(n) - 1]!);
      open.set(key, [...(open.get(key) ?? []), permit_id]);
    }
    return open;
  }

  /** Which of these permits are open still. */
  async stillOpen(tx: Pick<Tx, 'query'>, permitIds: readonly string[], nowMs: number): Promise<string[]> {
    const { rows } = await tx.query<{ permit_id: string }>(
      {
        name: 'permits_still_open',
        text: `SELECT permit_id FROM compliance.permit
               WHERE permit_id = ANY ($1::uuid[]) AND permit_id >= $2 AND closed_at IS NULL
                 AND expires_at > clock_timestamp()`,
      },
      [permitIds, firstUuidOf(nowMs - OPEN_SEARCH_MS)],
    );
    return rows.map(({ permit_id }) => permit_id);
  }

  /**
   * Claims to be the one message that answers an event; who asks again keeps its claim.
   * @returns the message that has it, for each claim, in order.
   */
  async claimAnswers(tx: Tx, claims: readonly AnswerClaim[]): Promise<string[]> {
    const owners: string[] = [];
    for (const { tenantId, eventIds, messageId } of claims) {
      const { rows } = await tx.query<{ message_id: string }>(
        {
          name: 'claim_answer',
          text: `INSERT INTO compliance.answer (tenant_id, event_id, message_id)
                 SELECT $1, COALESCE(earlier.event_id, $2), $3
                 FROM (SELECT min(event_id::text)::uuid AS event_id FROM compliance.answer
                       WHERE tenant_id = $1 AND event_id = ANY ($4::uuid[])) AS earlier
                 ON CONFLICT (tenant_id, event_id) DO UPDATE SET message_id = answer.message_id
                 RETURNING message_id`,
        },
        [tenantId, eventIds[0]!, messageId, eventIds],
      );
      owners.push(rows[0]!.message_id);
    }
    return owners;
  }
}
