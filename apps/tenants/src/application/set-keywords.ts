import { idOfUuid } from '@posthorn/clock/id.js';
import { keywordTable, type TenantKeywords } from '@posthorn/providers/tenant-keywords.js';
import { type Actor } from '../domain/actor.js';
import {
  announceKeywords,
  checkKeywords,
  replaceKeywords,
  type StoredKeywords,
} from '../domain/tenant-words.js';
import { type KeywordStore } from '../persistence/keyword.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/**
 * Has a tenant's own words known at the edge, so that intake knows an opt-out when it comes in (E1).
 * They are announced before the policy they are part of is written, and replaced once it is: no word of the policy
 * is ever missing at the edge, whatever stops in between.
 */
export class SetKeywords {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly store: KeywordStore,
  ) {}

  /**
   * Words that are in force already are not told again.
   * @throws AppError `request.invalid`, `limit.reached`, `tenant.not_found`
   */
  announce(actor: Actor, tenant: string, given: TenantKeywords): Promise<SetWords> {
    const wanted = checkKeywords(given);
    return this.change(actor, tenant, (former) => announceKeywords(former, wanted), false);
  }

  /**
   * Told to everybody once more when nothing changes, so that the answer says whether the words are in force.
   * @param policyVersion of the policy that is written. @throws AppError `request.invalid`, `tenant.not_found`
   */
  replace(actor: Actor, tenant: string, given: TenantKeywords, policyVersion: number): Promise<SetWords> {
    const wanted = checkKeywords(given);
    return this.change(actor, tenant, (former) => replaceKeywords(former, wanted, policyVersion), true);
  }

  private async change(
    actor: Actor,
    ref: string,
    next: (former: StoredKeywords) => StoredKeywords,
    isAlwaysTold: boolean,
  ): Promise<SetWords> {
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant } = change;
      const before = await this.store.get(tx, tenant.tenantId);
      const after = next(before);
      const isChanged = !meansTheSame(before, after);
      if (isChanged || after.policyVersion !== before.policyVersion)
        await this.store.set(tx, tenant.tenantId, after);
      if (isChanged || isAlwaysTold) change.touch('tenant', tenant.tenantId);
      if (isChanged) change.audit('keywords.set', idOfUuid('ten', tenant.tenantId), { before, after });
      return after;
    });
    return { keywords: value, applied };
  }
}

/** What is in force, and who knows it. */
export interface SetWords {
  readonly keywords: StoredKeywords;
  readonly applied: Applied;
}

function meansTheSame(one: TenantKeywords, other: TenantKeywords): boolean {
  const [words, others] = [keywordTable(one), keywordTable(other)];
  return words.size === others.size && [...words].every(([word, signal]) => others.get(word) === signal);
}
