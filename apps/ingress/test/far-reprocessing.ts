import { type UntypedServiceImplementation } from '@grpc/grpc-js';
import type {
  ClaimReprocessingRequest,
  ClaimReprocessingResponse,
  FindOriginalsRequest,
  FindOriginalsResponse,
  IntakeRequest,
  SettleReprocessingRequest,
  SettleReprocessingResponse,
  StoredRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

type Call<Q> = { readonly request: Q };
type Answer<R> = (error: null, response: R) => void;
const NONE = Buffer.alloc(0);
const REPROCESSING_ID = Buffer.alloc(16, 9);
const UNRECOGNIZED = 'event.unrecognized';

/** The part of the event log that has stored requests parsed again, played: one page, of all that is asked for. */
export class FarReprocessing {
  readonly settled: SettleReprocessingRequest[] = [];
  /** People who were asked to be erased. */
  erased: Buffer[] = [];
  /** What becomes of a page that was settled as postponed: it is given out again. */
  private asked: StoredRequest[] = [];

  /** @param log what is stored. */
  constructor(private readonly log: readonly IntakeRequest[]) {}

  /** What an operator's one call does. */
  processAgain(): void {
    this.asked = this.log.flatMap((request) => {
      const originals = request.events
        .filter(({ type }) => type === UNRECOGNIZED)
        .map(({ eventId, attributes }) => ({ eventId, note: attributes!.note }));
      return request.raw.length === 0 || originals.length === 0 ? [] : [{ ...request, originals }];
    });
  }

  readonly implementation: UntypedServiceImplementation = {
    claimReprocessing: (
      _: Call<ClaimReprocessingRequest>,
      answer: Answer<ClaimReprocessingResponse>,
    ): void => {
      const [requests, tenantId] = [this.asked, this.log[0]?.tenantId ?? NONE];
      this.asked = [];
      answer(null, { reprocessingId: requests.length === 0 ? NONE : REPROCESSING_ID, tenantId, requests });
    },
    findOriginals: ({ request }: Call<FindOriginalsRequest>, answer: Answer<FindOriginalsResponse>): void => {
      const events = this.log
        .filter(({ sourceId }) => sourceId.equals(request.sourceId))
        .flatMap((one) => one.events);
      const eventIds = request.dedupHashes.map((hash) => {
        const holder = events.find(({ dedupHash }) => dedupHash.equals(hash));
        return holder?.type === UNRECOGNIZED ? holder.eventId : NONE;
      });
      const isErased = (hash: Buffer): boolean => this.erased.some((one) => one.equals(hash));
      answer(null, { eventIds, erasedPersonHashes: request.personHashes.filter(isErased) });
    },
    settleReprocessing: (
      { request }: Call<SettleReprocessingRequest>,
      answer: Answer<SettleReprocessingResponse>,
    ): void => {
      this.settled.push(request);
      answer(null, {});
    },
  };
}
