import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type {
  ClaimedMedium,
  ClaimMediaRequest,
  ClaimMediaResponse,
  SettleMediumRequest,
  SettleMediumResponse,
  StoreMediumRequest,
  StoreMediumResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

type Answer<T> = (error: { code: number } | null, response?: T) => void;
const UNAVAILABLE = 14;

/** What events would hand out, and what it was told. */
export class PlayedMedia {
  /** Handed out in order; each once. */
  readonly due: ClaimedMedium[] = [];
  readonly claims: ClaimMediaRequest[] = [];
  readonly stored: StoreMediumRequest[] = [];
  readonly settled: SettleMediumRequest[] = [];
  /** Whether it still knows what is to be stored. */
  isKept = true;
  /** Calls that fail before one is answered. */
  failures = 0;

  readonly service: UntypedServiceImplementation = {
    claimMedia: ({ request }: { request: ClaimMediaRequest }, answer: Answer<ClaimMediaResponse>) => {
      this.claims.push(request);
      answer(null, { media: this.due.splice(0, request.limit) });
    },
    storeMedium: ({ request }: { request: StoreMediumRequest }, answer: Answer<StoreMediumResponse>) => {
      if (this.failures > 0) {
        this.failures -= 1;
        return answer({ code: UNAVAILABLE });
      }
      this.stored.push(request);
      answer(null, { stored: this.isKept });
    },
    settleMedium: ({ request }: { request: SettleMediumRequest }, answer: Answer<SettleMediumResponse>) => {
      this.settled.push(request);
      answer(null, { state: 'pending' });
    },
  };
}
