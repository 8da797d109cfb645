import { AppError } from '@posthorn/errors/app-error.js';
import { type Tx } from '@posthorn/postgres/database.js';
import { type Settings, type Source } from '../domain/source.js';
import { msOf, timeOf } from './time.sql.js';

/** A source without its secrets. */
export type SourceRow = Omit<Source, 'secrets'>;

const COLUMNS = `source_id AS "sourceId", name, provider, settings_json AS "settingsJson", status,
  ${msOf('created_at')} AS "createdAtMs",
  (SELECT ${msOf('c.set_at')} FROM tenants.source_credential c
    WHERE c.tenant_id = source.tenant_id AND c.source_id = source.source_id) AS "credentialsSetAtMs"`;
const INSERT = {
  name: 'source_insert',
  text: `INSERT INTO tenants.source (tenant_id, source_id, name, provider, settings_json, created_at)
    VALUES ($1, $2, $3, $4, $5, ${timeOf('$6')}) RETURNING ${COLUMNS}`,
};
const COUNT = {
  name: 'source_count',
  text: `SELECT count(*)::int AS count FROM tenants.source WHERE tenant_id = $1`,
};
const GET = {
  name: 'source_get',
  text: `SELECT ${COLUMNS} FROM tenants.source WHERE tenant_id = $1 AND source_id = $2`,
};
const UPDATE = {
  name: 'source_update',
  text: `UPDATE tenants.source SET name = $3, settings_json = $4, status = $5
    WHERE tenant_id = $1 AND source_id = $2`,
};
const DELETE = {
  name: 'source_delete',
  text: `DELETE FROM tenants.source WHERE tenant_id = $1 AND source_id = $2`,
};
const DELETE_ALL = {
  name: 'source_delete_all',
  text: `DELETE FROM tenants.source WHERE tenant_id = $1 RETURNING source_id AS "sourceId"`,
};
const LIST = {
  name: 'source_list',
  text: `SELECT ${COLUMNS} FROM tenants.source
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR source_id < $2) ORDER BY source_id DESC LIMIT $3`,
};

type Raw = Omit<SourceRow, 'settings'> & { readonly settingsJson: string };

/** Sources. */
export class SourceStore {
  async insert(
    tx: Tx,
    tenantId: string,
    source: Pick<SourceRow, 'sourceId' | 'name' | 'provider' | 'settings'>,
    nowMs: number,
  ): Promise<SourceRow> {
    const { sourceId, name, provider, settings } = source;
    const { rows } = await tx.query<Raw>(INSERT, [
      ...[tenantId, sourceId, name, provider, JSON.stringify(settings), nowMs],
    ]);
    return sourceOf(rows[0]!);
  }

  async count(tx: Tx, tenantId: string): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(COUNT, [tenantId]);
    return rows[0]!.count;
  }

  /** @throws AppError `source.not_found` */
  async get(tx: Pick<Tx, 'query'>, tenantId: string, sourceId: string | undefined): Promise<SourceRow> {
    const { rows } = sourceId === undefined ? { rows: [] } : await tx.query<Raw>(GET, [tenantId, sourceId]);
    if (rows[0] === undefined) throw new AppError('source.not_found');
    return sourceOf(rows[0]);
  }

  async update(tx: Tx, tenantId: string, source: SourceRow): Promise<void> {
    const { sourceId, name, settings, status } = source;
    await tx.query(UPDATE, [tenantId, sourceId, name, JSON.stringify(settings), status]);
  }

  async delete(tx: Tx, tenantId: string, sourceId: string): Promise<void> {
    await tx.query(DELETE, [tenantId, sourceId]);
  }

  /** @returns the IDs of what was deleted. */
  async deleteAll(tx: Tx, tenantId: string): Promise<string[]> {
    const { rows } = await tx.query<{ sourceId: string }>(DELETE_ALL, [tenantId]);
    return rows.map(({ sourceId }) => sourceId);
  }

  /** Newest first. @param before ID of the last source of the page before. */
  async list(
    tx: Pick<Tx, 'query'>,
    tenantId: string,
    before: string | undefined,
    limit: number,
  ): Promise<SourceRow[]> {
    const { rows } = await tx.query<Raw>(LIST, [tenantId, before ?? null, limit]);
    return rows.map(sourceOf);
  }
}

const sourceOf = ({ settingsJson, ...rest }: Raw): SourceRow => ({
  ...rest,
  settings: JSON.parse(settingsJson) as Settings,
});
