import { AppError } from '@posthorn/errors/app-error.js';
import type { ErrorEntry } from '@posthorn/errors/registry.js';
import type { Provider, RefusalCause } from '@posthorn/providers/provider.js';

/** A request that is not authentic, with the status that this provider's retry engine understands. */
export class ProviderRefusal extends AppError {
  constructor(
    cause: RefusalCause,
    detail: string,
    private readonly provider: Pick<Provider, 'refusalStatus'>,
  ) {
    super(cause, { detail });
  }

  override get entry(): ErrorEntry {
    const entry = super.entry;
    const http = this.provider.refusalStatus?.[this.code as RefusalCause];
    return http === undefined ? entry : { ...entry, http };
  }
}
