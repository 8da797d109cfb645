import type { Clock } from '@posthorn/clock/clock.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { ConsentStatus } from '../domain/consent-state.js';
import type { SendRequest } from '../domain/send-request.js';
import { decide, type Decision } from '../domain/sending-rules/decide.js';
import type { Backlog } from './backlog.js';
import { LinksChanged, linksUnstable, type GatherFacts } from './gather-facts.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { SettlePersons } from './settle-persons.js';

const CATEGORIES = ['transactional', 'marketing'] as const;
/** Of no message: what is not answered with claims nothing. */
const NO_MESSAGE = '00000000-0000-0000-0000-000000000000';

/** Who would be written to, and on which channel. */
export type PreviewRequest = Pick<
  SendRequest,
  'person' | 'channel' | 'address' | 'provider' | 'lastInboundAtMs' | 'isSendingPaused'
>;

/** What a permit would be now, by category. */
export interface SendsPreview {
  readonly consentStatus: ConsentStatus;
  readonly previews: readonly {
    readonly category: (typeof CATEGORIES)[number];
    readonly decision: Decision;
  }[];
}

/** Says what may be sent to a person now, without permitting or keeping anything. */
export class PreviewSends {
  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly waiting: Pick<ApplyWaiting, 'of'>,
    private readonly settle: Pick<SettlePersons, 'run'>,
    private readonly gather: Pick<GatherFacts, 'run'>,
    private readonly backlog: Pick<Backlog, 'isCaughtUp'>,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `store.*` */
  async run(asked: PreviewRequest): Promise<SendsPreview> {
    const requests = CATEGORIES.map((category): SendRequest => ({
      ...{ ...asked, category, program: '', messageId: NO_MESSAGE, isReplay: false, isTemplate: false },
      ...{ sourceId: undefined, answersEventId: undefined, carrierReplies: [] },
      contact: { timeZone: '', country: '', postalCode: '' },
    }));
    try {
      await this.settle.run([asked.person]);
      await this.waiting.of(asked.person);
      const stored = await this.db.transaction((tx) => this.gather.run(tx, requests, this.clock.nowMs()));
      const nowMs = this.clock.nowMs();
      const isCaughtUp = this.backlog.isCaughtUp(asked.person.tenantId);
      return {
        consentStatus: stored[0]!.consent,
        previews: requests.map((request, index) => ({
          category: CATEGORIES[index]!,
          decision: decide({ ...request, ...stored[index]!, nowMs, isCaughtUp }),
        })),
      };
    } catch (error) {
      throw error instanceof LinksChanged ? linksUnstable() : error;
    }
  }
}
