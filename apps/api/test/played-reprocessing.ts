import { formatId, newUuid } from '@posthorn/clock/id.js';
import { type Reprocessing } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { nowMs } from './played-things.js';

const filter = { sourceId: '', provider: 'twilio', kind: 'voice', fromMs: 0, toMs: nowMs };

/** One that is done, in part without success. */
export const REPROCESSING: Reprocessing = {
  id: formatId('rep', newUuid(nowMs)),
  requestedAtMs: nowMs,
  state: 'done',
  filter,
  lookedAt: 7n,
  understood: 5n,
  left: 2n,
  completedAtMs: nowMs + 900,
  hasMore: false,
};

const asked = (id: string): { reprocessing: Reprocessing } => ({
  reprocessing: {
    ...{ ...REPROCESSING, id, state: 'open' },
    ...{ lookedAt: 0n, understood: 0n, left: 0n, completedAtMs: 0 },
  },
});

/** What asking for one is answered: to everybody with an ID of their own. */
export const REPROCESSING_ASKED = {
  own: () => asked(REPROCESSING.id),
  other: asked(formatId('rep', newUuid(nowMs))),
};
