import { type UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  SettledRefusal_Outcome as Outcome,
  type ClaimRefusalsRequest,
  type ClaimRefusalsResponse,
  type KeepRefusalsRequest,
  type KeepRefusalsResponse,
  type Refusal,
  type SettledRefusal,
  type SettleRefusalsRequest,
  type SettleRefusalsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

type Call<Q> = { readonly request: Q };
type Answer<R> = (error: null | { code: number; details: string }, response?: R) => void;
const UNAVAILABLE = 14;

/** The part of the event log that keeps refused requests, played: each claimed once until it is settled. */
export class FarRefusals {
  kept: Refusal[] = [];
  readonly settled: SettledRefusal[] = [];
  /** How many were claimed by each call that gave some. */
  readonly claims: number[] = [];
  isDown = false;
  private asked = new Set<string>();

  /** What an operator's one call does: everything kept is to be judged again. */
  judgeAgain(): void {
    for (const { requestId } of this.kept) this.asked.add(requestId.toString('hex'));
  }

  readonly implementation: UntypedServiceImplementation = {
    keepRefusals: ({ request }: Call<KeepRefusalsRequest>, answer: Answer<KeepRefusalsResponse>): void => {
      if (this.isDown) return answer({ code: UNAVAILABLE, details: 'down' });
      this.kept.push(...request.refusals);
      answer(null, { isKept: request.refusals.map(() => true) });
    },
    claimRefusals: ({ request }: Call<ClaimRefusalsRequest>, answer: Answer<ClaimRefusalsResponse>): void => {
      const isAsked = ({ requestId }: Refusal): boolean => this.asked.has(requestId.toString('hex'));
      const refusals = this.kept.filter(isAsked).slice(0, request.limit);
      for (const { requestId } of refusals) this.asked.delete(requestId.toString('hex'));
      if (refusals.length > 0) this.claims.push(refusals.length);
      answer(null, { refusals });
    },
    settleRefusals: (
      { request }: Call<SettleRefusalsRequest>,
      answer: Answer<SettleRefusalsResponse>,
    ): void => {
      for (const each of request.refusals) {
        this.settled.push(each);
        if (each.outcome === Outcome.OUTCOME_ADMITTED)
          this.kept = this.kept.filter(({ requestId }) => !requestId.equals(each.requestId));
        if (each.outcome === Outcome.OUTCOME_POSTPONED) this.asked.add(each.requestId.toString('hex'));
      }
      answer(null, {});
    },
  };
}
