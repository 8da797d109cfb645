import { AppError } from '@posthorn/errors/app-error.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type Destination, type DisabledReason } from '../domain/destination.js';
import { msOf, timeOf } from './time.sql.js';

/** A destination without its secrets; its headers are sealed. */
export type DestinationRow = Omit<Destination, 'secrets' | 'headers'> & { readonly headersSealed: Buffer };
type NewDestination = Omit<DestinationRow, 'createdAtMs' | 'generation' | 'disabledReason' | 'disabledAtMs'>;

const COLUMNS = `destination_id AS "destinationId", name, url, event_types AS "eventTypes", ordering,
  max_attempts AS "maxAttempts", max_age_seconds AS "maxAgeSeconds", max_in_flight AS "maxInFlight",
  rate_per_second AS "ratePerSecond", headers_sealed AS "headersSealed", status, include, filter,
  ${msOf('created_at')} AS "createdAtMs", generation, disabled_reason AS "disabledReason",
  ${msOf('disabled_at')} AS "disabledAtMs"`;
const INSERT = {
  name: 'destination_insert',
  text: `INSERT INTO tenants.destination (tenant_id, destination_id, name, url, event_types, ordering,
      max_attempts, max_age_seconds, max_in_flight, rate_per_second, headers_sealed, status, include, filter, created_at)
    VALUES ($1, $2, $3, $4, $5::text[], $6, $7, $8, $9, $10, $11, $12, $13::text[], $14::jsonb, ${timeOf('$15')}) RETURNING ${COLUMNS}`,
};
const COUNT = {
  name: 'destination_count',
  text: `SELECT count(*)::int AS count FROM tenants.destination WHERE tenant_id = $1`,
};
const GET = {
  name: 'destination_get',
  text: `SELECT ${COLUMNS} FROM tenants.destination WHERE tenant_id = $1 AND destination_id = $2`,
};
const UPDATE = {
  name: 'destination_update',
  text: `UPDATE tenants.destination SET name = $3, url = $4, event_types = $5::text[], ordering = $6,
      max_attempts = $7, max_age_seconds = $8, max_in_flight = $9, rate_per_second = $10, headers_sealed = $11,
      status = $12, include = $13::text[], filter = $14::jsonb, generation = $15, disabled_reason = $16, disabled_at = ${timeOf('$17')}
    WHERE tenant_id = $1 AND destination_id = $2`,
};
/** Once for a generation, and only what is active in that one. */
const DISABLE = {
  name: 'destination_disable',
  text: `UPDATE tenants.destination
    SET status = 'disabled', disabled_generation = $3, disabled_reason = $4, disabled_at = ${timeOf('$5')}
    WHERE tenant_id = $1 AND destination_id = $2 AND generation = $3 AND status = 'active' RETURNING ${COLUMNS}`,
};
const WAS_DISABLED = {
  name: 'destination_was_disabled',
  text: `SELECT 1 FROM tenants.destination
    WHERE tenant_id = $1 AND destination_id = $2 AND disabled_generation = $3`,
};
const DELETE = {
  name: 'destination_delete',
  text: `DELETE FROM tenants.destination WHERE tenant_id = $1 AND destination_id = $2`,
};
const DELETE_ALL = {
  name: 'destination_delete_all',
  text: `DELETE FROM tenants.destination WHERE tenant_id = $1 RETURNING destination_id AS "destinationId"`,
};
const LIST = {
  name: 'destination_list',
  text: `SELECT ${COLUMNS} FROM tenants.destination
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR destination_id < $2) ORDER BY destination_id DESC LIMIT $3`,
};

/** Destinations. */
export class DestinationStore {
  async insert(
    tx: Tx,
    tenantId: string,
    destination: NewDestination,
    nowMs: number,
  ): Promise<DestinationRow> {
    const { rows } = await tx.query<DestinationRow>(INSERT, [...valuesOf(tenantId, destination), nowMs]);
    return rows[0]!;
  }

  async count(tx: Tx, tenantId: string): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(COUNT, [tenantId]);
    return rows[0]!.count;
  }

  /** @throws AppError `destination.not_found` */
  async get(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    destinationId: string | undefined,
  ): Promise<DestinationRow> {
    const { rows } =
      destinationId === undefined
        ? { rows: [] }
        : await tx.query<DestinationRow>(GET, [tenantId, destinationId]);
    if (rows[0] === undefined) throw new AppError('destination.not_found');
    return rows[0];
  }

  async update(tx: Tx, tenantId: string, destination: Omit<DestinationRow, 'createdAtMs'>): Promise<void> {
    const { generation, disabledReason, disabledAtMs } = destination;
    await tx.query(UPDATE, [...valuesOf(tenantId, destination), generation, disabledReason, disabledAtMs]);
  }

  /** @returns it as it is then; undefined when it is not active in that generation, or not there. */
  async disable(
    tx: Tx,
    tenantId: string,
    destinationId: string,
    generation: number,
    reason: DisabledReason,
    nowMs: number,
  ): Promise<DestinationRow | undefined> {
    const values = [tenantId, destinationId, generation, reason, nowMs];
    return (await tx.query<DestinationRow>(DISABLE, values)).rows[0];
  }

  /** Whether the platform ever disabled it in that generation. */
  async wasDisabled(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    destinationId: string,
    generation: number,
  ): Promise<boolean> {
    return (await tx.query(WAS_DISABLED, [tenantId, destinationId, generation])).rowCount > 0;
  }

  async delete(tx: Tx, tenantId: string, destinationId: string): Promise<void> {
    await tx.query(DELETE, [tenantId, destinationId]);
  }

  /** @returns the IDs of what was deleted. */
  async deleteAll(tx: Tx, tenantId: string): Promise<string[]> {
    const { rows } = await tx.query<{ destinationId: string }>(DELETE_ALL, [tenantId]);
    return rows.map(({ destinationId }) => destinationId);
  }

  /** Newest first. @param before ID of the last destination of the page before. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    before: string | undefined,
    limit: number,
  ): Promise<DestinationRow[]> {
    const { rows } = await tx.query<DestinationRow>(LIST, [tenantId, before ?? null, limit]);
    return rows;
  }
}

const valuesOf = (tenantId: string, destination: NewDestination): unknown[] => [
  ...[tenantId, destination.destinationId, destination.name, destination.url, destination.eventTypes],
  ...[destination.ordering, destination.maxAttempts, destination.maxAgeSeconds, destination.maxInFlight],
  ...[destination.ratePerSecond, destination.headersSealed, destination.status, destination.include],
  JSON.stringify(destination.filter),
];
