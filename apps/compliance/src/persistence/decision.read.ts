import type { Tx } from '@posthorn/postgres/database.js';
import { firstUuidOf } from './send-facts.read.js';

/** A decision as it was made, and what became of its permit. IDs are UUID texts. */
export interface DecisionRecord {
  readonly id: string;
  readonly personHash: Buffer;
  readonly messageId: string;
  readonly sourceId: string | undefined;
  readonly channel: string;
  readonly category: string;
  readonly program: string;
  readonly kind: string;
  readonly rule: string;
  readonly detail: string;
  readonly untilMs: number;
  readonly isReplay: boolean;
  readonly policyVersion: number;
  readonly facts: string;
  readonly decidedAtMs: number;
  /** Empty unless it is a permit. */
  readonly outcome: string;
}

/** Which decisions; empty texts and 0 stand for any. */
export interface DecisionFilter {
  readonly personHash: Buffer | undefined;
  readonly messageId: string | undefined;
  readonly kind: string;
  readonly rule: string;
  readonly fromMs: number;
  readonly toMs: number;
}

interface Row {
  readonly decision_id: string;
  readonly person_hash: Buffer;
  readonly message_id: string;
  readonly source_id: string | null;
  readonly channel: string;
  readonly category: string;
  readonly program: string;
  readonly kind: string;
  readonly rule: string;
  readonly detail: string;
  readonly until_at: Date | null;
  readonly is_replay: boolean;
  readonly policy_version: number;
  readonly facts: string;
  readonly decided_at: Date;
  readonly outcome: string | null;
}

/** Reads of decisions. */
export class DecisionRead {
  /** Newest first. @param before UUID text of the last one of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    filter: DecisionFilter,
    before: string | undefined,
    limit: number,
  ): Promise<DecisionRecord[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'list_decisions',
        text: `SELECT decision.decision_id, decision.person_hash, message_id, source_id, channel, category, program,
                      kind, rule, detail, until_at, is_replay, policy_version, facts::text AS facts, decided_at,
                      CASE WHEN permit.permit_id IS NULL THEN NULL WHEN permit.outcome IS NOT NULL THEN permit.outcome
                           WHEN permit.expires_at > clock_timestamp() THEN 'open' ELSE 'expired' END AS outcome
               FROM compliance.decision
               LEFT JOIN compliance.permit ON permit.tenant_id = decision.tenant_id
                 AND permit.permit_id = decision.decision_id
               WHERE decision.tenant_id = $1 AND ($2::uuid IS NULL OR decision.decision_id < $2)
                 AND ($4::bytea IS NULL OR decision.person_hash = $4)
                 AND ($5::uuid IS NULL OR message_id = $5) AND ($6 = '' OR kind = $6) AND ($7 = '' OR rule = $7)
                 AND ($8::uuid IS NULL OR decision.decision_id >= $8)
                 AND ($9::uuid IS NULL OR decision.decision_id < $9)
               ORDER BY decision.decision_id DESC LIMIT $3`,
      },
      [
        ...[tenantId, before ?? null, limit, filter.personHash ?? null, filter.messageId ?? null],
        ...[filter.kind, filter.rule, boundOf(filter.fromMs), boundOf(filter.toMs)],
      ],
    );
    return rows.map(recordOf);
  }
}

const boundOf = (ms: number): string | null => (ms === 0 ? null : firstUuidOf(ms));

const recordOf = (row: Row): DecisionRecord => ({
  id: row.decision_id,
  personHash: row.person_hash,
  messageId: row.message_id,
  sourceId: row.source_id ?? undefined,
  ...{ channel: row.channel, category: row.category, program: row.program, kind: row.kind, rule: row.rule },
  detail: row.detail,
  untilMs: row.until_at?.getTime() ?? 0,
  isReplay: row.is_replay,
  policyVersion: row.policy_version,
  facts: row.facts,
  decidedAtMs: row.decided_at.getTime(),
  outcome: row.outcome ?? '',
});
