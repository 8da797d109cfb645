import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { FieldDrift, KnownField, KnownKind, ShapeReport } from '../domain/body-shape.js';
import { int8Array, textArray, timeArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** Kinds of one tenant that are known: what a provider names is not ours to bound otherwise. */
const KINDS_MAX = 1_000;

const OPEN: Statement = {
  name: 'drift_kind_open',
  text: `INSERT INTO events.drift_kind (tenant_id, provider, kind)
         SELECT DISTINCT n.tenant_id, n.provider, n.kind
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (tenant_id, provider, kind)
         WHERE (SELECT count(*) FROM events.drift_kind k WHERE k.tenant_id = n.tenant_id) < ${KINDS_MAX}
         ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
};
/** In the order of the key, so that two processes cannot deadlock. */
const LOCK: Statement = {
  name: 'drift_kind_lock',
  text: `SELECT k.tenant_id, k.provider, k.kind, k.samples, k.fields, k.reports FROM events.drift_kind k
         WHERE (k.tenant_id, k.provider, k.kind) IN (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]))
         ORDER BY k.tenant_id, k.provider, k.kind FOR UPDATE`,
};
const SAVE: Statement = {
  name: 'drift_kind_save',
  text: `UPDATE events.drift_kind k SET samples = n.samples, fields = n.fields::jsonb,
           reports = ARRAY(SELECT jsonb_array_elements_text(n.reports::jsonb))
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[])
           AS n (tenant_id, provider, kind, samples, fields, reports)
         WHERE k.tenant_id = n.tenant_id AND k.provider = n.provider COLLATE "C" AND k.kind = n.kind COLLATE "C"`,
};
/** The rows of a kind are its holder's alone: nobody else writes them meanwhile. */
const WRITE: Statement = {
  name: 'drift_field_write',
  text: `
INSERT INTO events.drift_field AS f (tenant_id, provider, kind, path, change, type, count, first_seen_at, last_seen_at,
  first_event_id)
SELECT tenant_id, provider, kind, path, change, type, sum(count), min(first_seen_at), max(last_seen_at),
  (array_agg(first_event_id ORDER BY first_seen_at))[1]
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::timestamptz[],
  $9::timestamptz[], $10::uuid[])
  AS d (tenant_id, provider, kind, path, change, type, count, first_seen_at, last_seen_at, first_event_id)
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (tenant_id, provider, kind, path, change, type) DO UPDATE SET count = f.count + excluded.count,
  first_event_id = CASE WHEN excluded.first_seen_at < f.first_seen_at THEN excluded.first_event_id
    ELSE f.first_event_id END,
  first_seen_at = LEAST(f.first_seen_at, excluded.first_seen_at),
  last_seen_at = GREATEST(f.last_seen_at, excluded.last_seen_at)`,
};

/** Which kind something is of. */
export type KindName = Pick<ShapeReport, 'tenantId' | 'provider' | 'kind'>;
export type NamedKind = KindName & { readonly known: KnownKind };
export type NamedDrift = KindName & FieldDrift;

interface Row {
  readonly tenant_id: string;
  readonly provider: string;
  readonly kind: string;
  readonly samples: string;
  readonly fields: Record<string, KnownField>;
  readonly reports: string[];
}

/** One text for each kind. */
export const keyOfKind = ({ tenantId, provider, kind }: KindName): string =>
  JSON.stringify([uuidText(tenantId), provider, kind]);

/** Of what fields bodies are. */
export class BodyShapeStore {
  /** Locks kinds until the transaction ends. @returns by `keyOfKind`, without those that are too many. */
  async lock(tx: Pick<Tx, 'query'>, kinds: readonly KindName[]): Promise<Map<string, KnownKind>> {
    await tx.query(OPEN, namesOf(kinds));
    const { rows } = await tx.query<Row>(LOCK, namesOf(kinds));
    return new Map(
      rows.map(({ tenant_id, provider, kind, samples, fields, reports }) => [
        JSON.stringify([tenant_id, provider, kind]),
        { samples: Number(samples), fields, reports },
      ]),
    );
  }

  /** @param kinds locked, each once. */
  async save(
    tx: Pick<Tx, 'query'>,
    kinds: readonly NamedKind[],
    drifts: readonly NamedDrift[],
  ): Promise<void> {
    if (kinds.length > 0)
      await tx.query(SAVE, [
        ...namesOf(kinds),
        int8Array(kinds.map(({ known }) => BigInt(known.samples))),
        textArray(kinds.map(({ known }) => JSON.stringify(known.fields))),
        textArray(kinds.map(({ known }) => JSON.stringify(known.reports))),
      ]);
    if (drifts.length > 0)
      await tx.query(WRITE, [
        ...namesOf(drifts),
        textArray(drifts.map(({ path }) => path)),
        textArray(drifts.map(({ change }) => change)),
        textArray(drifts.map(({ type }) => type)),
        int8Array(drifts.map(({ count }) => BigInt(count))),
        timeArray(drifts.map(({ firstAtMs }) => firstAtMs)),
        timeArray(drifts.map(({ lastAtMs }) => lastAtMs)),
        uuidArray(drifts.map(({ firstEventId }) => firstEventId)),
      ]);
  }
}

const namesOf = (kinds: readonly KindName[]): Buffer[] => [
  uuidArray(kinds.map(({ tenantId }) => tenantId)),
  textArray(kinds.map(({ provider }) => provider)),
  textArray(kinds.map(({ kind }) => kind)),
];
