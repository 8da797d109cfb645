import { type Database } from '@posthorn/postgres/database.js';
import { type StageView, troubleIf } from '@posthorn/server/stage-status.js';
import { type LiveWatchers, type StatusRead } from '../persistence/status.read.js';

/** What tenants knows of the front door, which speaks to nobody but its peers: whether it is there. */
export class ReportStatus {
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly read: Pick<StatusRead, 'watchers'>,
  ) {}

  /** @throws AppError `store.unavailable` */
  async run(): Promise<StageView[]> {
    return [intake(await this.read.watchers(this.db, 'ingress'))];
  }
}

const intake = ({ count, unconfirmed }: LiveWatchers): StageView => ({
  stage: 'intake',
  troubles: [
    ...troubleIf(
      count === 0,
      'service',
      () => 'no ingress was in contact within the last minute: nothing is taken',
    ),
    ...troubleIf(
      unconfirmed > 0,
      'service',
      () => `${unconfirmed} of ${count} ingress processes work with a configuration of before`,
    ),
  ],
});
