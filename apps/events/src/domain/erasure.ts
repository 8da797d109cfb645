import { uuidBytes, uuidText } from '@posthorn/clock/id.js';

/** That a person's data must go. IDs and hashes are 16 bytes. */
export interface ErasureOrder {
  readonly erasureId: Buffer;
  readonly tenantId: Buffer;
  readonly actor: string;
  /** Of the person's addresses. */
  readonly personHashes: readonly Buffer[];
  readonly requestedAtMs: number;
  /** The last event that may be meant: what comes later is not. */
  readonly through: Buffer;
}

/** An order, and how far it is. */
export interface Erasure extends ErasureOrder {
  /** 0 = not yet. */
  readonly completedAtMs: number;
  readonly erased: readonly { readonly table: string; readonly rows: bigint }[];
}

/** The other services that hold something of a person; the first one also tells the log of it. */
export const ERASING_SERVICES = ['dispatcher', 'compliance'] as const;
export type ErasingService = (typeof ERASING_SERVICES)[number];

/** An erasure that other services have to do again. */
export interface OwedErasure extends Pick<ErasureOrder, 'tenantId' | 'erasureId' | 'actor' | 'personHashes'> {
  /** In the order in which they are to be asked. */
  readonly owed: readonly ErasingService[];
}

const HASH = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** One line of the journal. It has hashes only, as the log has. */
export const journalLine = (order: ErasureOrder): string =>
  JSON.stringify({
    erasureId: uuidText(order.erasureId),
    tenantId: uuidText(order.tenantId),
    actor: order.actor,
    personHashes: order.personHashes.map((hash) => hash.toString('hex')),
    requestedAtMs: order.requestedAtMs,
    through: uuidText(order.through),
  });

/** @returns undefined for what is none, such as half a line that a crash left. */
export function parseJournalLine(line: string): ErasureOrder | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { erasureId, tenantId, actor, personHashes, requestedAtMs, through } = value ?? {};
  if (![erasureId, tenantId, through].every((id) => typeof id === 'string' && UUID.test(id)))
    return undefined;
  if (typeof actor !== 'string' || typeof requestedAtMs !== 'number' || !Array.isArray(personHashes))
    return undefined;
  if (!personHashes.every((hash) => typeof hash === 'string' && HASH.test(hash))) return undefined;
  return {
    erasureId: uuidBytes(erasureId as string),
    tenantId: uuidBytes(tenantId as string),
    actor,
    personHashes: personHashes.map((hash: string) => Buffer.from(hash, 'hex')),
    requestedAtMs,
    through: uuidBytes(through as string),
  };
}
