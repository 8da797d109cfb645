import { AppError } from '@posthorn/errors/app-error.js';
import {
  mergeKeywords,
  NO_KEYWORDS,
  readTenantKeywords,
  type TenantKeywords,
} from '@posthorn/providers/tenant-keywords.js';
import { reachedLimit } from './field-errors.js';

/** Words of one meaning while a policy is being replaced: the former ones and the new ones. */
export const WORDS_IN_FORCE_MAX = 100;

/** A tenant's words in force, and the version of the policy that last said them. */
export interface StoredKeywords extends TenantKeywords {
  readonly policyVersion: number;
}

export const NO_STORED_KEYWORDS: StoredKeywords = { ...NO_KEYWORDS, policyVersion: 0 };

/** The words folded. @throws AppError `request.invalid` that names every wrong field. */
export function checkKeywords(given: TenantKeywords): TenantKeywords {
  const { keywords, errors } = readTenantKeywords(given);
  if (errors.length === 0) return keywords;
  throw new AppError('request.invalid', {
    detail: errors.map(({ path, message }) => `${path}: ${message}`).join('; '),
    fields: errors,
  });
}

/** The words that a written policy says: those of an older one than is known change nothing. */
export const replaceKeywords = (
  former: StoredKeywords,
  wanted: TenantKeywords,
  policyVersion: number,
): StoredKeywords => (policyVersion < former.policyVersion ? former : { ...wanted, policyVersion });

/**
 * The words of a policy that is about to be written, beside those in force.
 * @throws AppError `limit.reached` when policies were announced again and again and never written.
 */
export function announceKeywords(former: StoredKeywords, wanted: TenantKeywords): StoredKeywords {
  const keywords = mergeKeywords(former, wanted);
  if (Object.values(keywords).some((words) => words.length > WORDS_IN_FORCE_MAX))
    throw reachedLimit('keywords', 'an earlier change of the words is not finished; try again in a minute');
  return { ...keywords, policyVersion: former.policyVersion };
}
