import type { Statement, Tx } from '@posthorn/postgres/database.js';

/** Commands of one transaction. */
export const ERASURE_PAGE_MAX = 500;

/** What went from one table. */
export interface Erased {
  readonly table: string;
  readonly rows: number;
}

/** One step, and where the next begins. */
export interface ErasedPage {
  readonly erased: readonly Erased[];
  /** UUID text; undefined: there are no more. */
  readonly after: string | undefined;
}

/** In key order, as everybody locks commands. */
const LOCK_PAGE: Statement = {
  name: 'lock_commands_of_person',
  text: `SELECT message_id FROM dispatch.command
    WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) AND message_id > $3
    ORDER BY tenant_id, message_id LIMIT $4::int FOR UPDATE`,
};

/** Where something of a person's may stand, and what is done to it. The hash stays, and so does what became of a command. */
const STEPS = [
  {
    table: 'command_content',
    text: `DELETE FROM dispatch.command_content WHERE tenant_id = $1 AND message_id = ANY ($2::uuid[])`,
  },
  {
    // The reason that somebody gave for an outcome stands here, and in the attempt.
    table: 'command',
    text: `UPDATE dispatch.command SET detail = ''
      WHERE tenant_id = $1 AND message_id = ANY ($2::uuid[]) AND detail <> ''`,
  },
  {
    table: 'command_attempt',
    text: `UPDATE dispatch.command_attempt SET detail = ''
      WHERE tenant_id = $1 AND message_id = ANY ($2::uuid[]) AND detail <> ''`,
  },
] as const;

/** Takes away what commands say to persons, and what is written about them. */
export class ErasureStore {
  /**
   * One page of their commands, oldest first.
   * @param tenantUuid UUID text. @param after of the page before; the zero UUID for the first.
   */
  async erasePage(
    tx: Tx,
    tenantUuid: string,
    personHashes: readonly Buffer[],
    after: string,
  ): Promise<ErasedPage> {
    const { rows } = await tx.query<{ message_id: string }>(LOCK_PAGE, [
      ...[tenantUuid, personHashes, after, ERASURE_PAGE_MAX],
    ]);
    const messages = rows.map(({ message_id }) => message_id);
    const erased: Erased[] = [];
    for (const { table, text } of STEPS) {
      const { rowCount } = await tx.query({ name: `erase_${table}`, text }, [tenantUuid, messages]);
      erased.push({ table, rows: rowCount });
    }
    return { erased, after: rows.length < ERASURE_PAGE_MAX ? undefined : messages.at(-1) };
  }
}
