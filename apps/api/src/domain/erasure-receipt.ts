import { formatId } from '@posthorn/clock/id.js';

/** What went, and where. */
export interface ErasedRows {
  readonly service: string;
  readonly table: string;
  readonly rows: number;
}

/** What was done to a person's data, as it is signed and shown. */
export interface ErasureReceipt {
  readonly type: 'person_erasure';
  readonly tenantId: string;
  /** `req_…` */
  readonly id: string;
  /** All that are linked; their data went, too. */
  readonly personIds: readonly string[];
  readonly requestedAt: string;
  /** Null as long as anything is open. */
  readonly completedAt: string | null;
  /** The services that are not done; their counts are not final. */
  readonly open: readonly string[];
  readonly erased: readonly ErasedRows[];
}

/** The log's part of an erasure, as events tells it. */
export interface LogErasure {
  readonly id: Uint8Array;
  readonly personHashes: readonly Uint8Array[];
  readonly requestedAtMs: number;
  /** 0 = not yet. */
  readonly completedAtMs: number;
  readonly erased: readonly { readonly table: string; readonly rows: number | bigint }[];
}

/** The services that have erased everything once they answer. */
const AT_ONCE: readonly string[] = ['dispatcher', 'compliance'];

/** @param elsewhere what the other services erased; undefined: not all of them are known to have answered. */
export function erasureReceipt(
  tenantId: string,
  log: LogErasure,
  elsewhere: readonly ErasedRows[] | undefined,
): ErasureReceipt {
  const open = [...(log.completedAtMs === 0 ? ['events'] : []), ...(elsewhere === undefined ? AT_ONCE : [])];
  return {
    ...{ type: 'person_erasure', tenantId, id: formatId('req', log.id) },
    personIds: log.personHashes.map((hash) => formatId('per', hash)),
    requestedAt: new Date(log.requestedAtMs).toISOString(),
    completedAt: open.length > 0 ? null : new Date(log.completedAtMs).toISOString(),
    open,
    erased: [...rowsOf('events', log.erased), ...(elsewhere ?? [])],
  };
}

export const rowsOf = (
  service: string,
  erased: readonly { readonly table: string; readonly rows: number | bigint }[],
): ErasedRows[] => erased.map(({ table, rows }) => ({ service, table, rows: Number(rows) }));
