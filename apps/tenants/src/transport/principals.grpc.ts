import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type AuthenticateRequest,
  type AuthenticateResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { AuthenticatePrincipal } from '../application/authenticate-principal.js';

const NOBODY: AuthenticateResponse = { keyId: '', kind: '', tenantId: '', tenantSlug: '', scopes: [] };

/** Who is calling the REST API. */
@Controller()
export class PrincipalController {
  constructor(private readonly authenticatePrincipal: AuthenticatePrincipal) {}

  @GrpcMethod('PrincipalService', 'authenticate')
  async authenticate({ token }: AuthenticateRequest): Promise<AuthenticateResponse> {
    const principal = await this.authenticatePrincipal.run(token);
    if (principal === undefined) return NOBODY;
    const { keyId, kind, scopes, tenant } = principal;
    return {
      keyId,
      kind,
      tenantId: tenant === undefined ? '' : idOfUuid('ten', tenant.tenantId),
      tenantSlug: tenant?.slug ?? '',
      scopes: [...scopes],
      tenantStatus: tenant?.status ?? '',
    };
  }
}
