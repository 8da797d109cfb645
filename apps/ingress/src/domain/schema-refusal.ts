import { AppError } from '@posthorn/errors/app-error.js';
import type { ErrorEntry } from '@posthorn/errors/registry.js';

const UNPROCESSABLE_STATUS = 422;

/** A body that is authentic and not what its source's schema says. */
export class SchemaRefusal extends AppError {
  /** @param mismatch where, without a value. */
  constructor(mismatch: string) {
    super('request.invalid', { detail: `the schema of this source: ${mismatch}` });
  }

  override get entry(): ErrorEntry {
    return { ...super.entry, http: UNPROCESSABLE_STATUS };
  }
}
