import { type Tx } from '@posthorn/postgres/database.js';

const IS_SENDING_PAUSED = {
  name: 'platform_is_sending_paused',
  text: `SELECT sends_paused AS "isSendingPaused" FROM tenants.platform`,
};
const SET_SENDING_PAUSED = {
  name: 'platform_set_sending_paused',
  text: `UPDATE tenants.platform SET sends_paused = $1`,
};

/** What holds for all tenants. */
export class PlatformStore {
  async isSendingPaused(tx: Pick<Tx, 'query'>): Promise<boolean> {
    const { rows } = await tx.query<{ isSendingPaused: boolean }>(IS_SENDING_PAUSED);
    return rows[0]!.isSendingPaused;
  }

  async setSendingPaused(tx: Tx, isPaused: boolean): Promise<void> {
    await tx.query(SET_SENDING_PAUSED, [isPaused]);
  }
}
