// Explains refusals of the API server and broken connections to it.
import { errnoOf, GomoteError, messageOf, PlatformError } from '../../errors.ts';

/** An error reply, as @kubernetes/client-node throws it. */
interface Refusal {
  readonly status: number;
  /** Kubernetes' reason, such as `AlreadyExists`. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/** The reply in the error; undefined when there was none. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, statusCode, body, headers } = error as Error & Record<string, unknown>;
  const status = typeof code === 'number' ? code : statusCode;
  if (typeof status !== 'number') return undefined;
  const seconds = Number((headers as Record<string, string> | undefined)?.['retry-after']);
  return {
    status,
    ...textsOf(body),
    retryAfterMs: seconds > 0 ? Math.min(seconds, 30) * 1_000 : undefined,
  };
}

/** The body is JSON text, or empty for a plain 401. */
function textsOf(body: unknown): { reason: string; message: string } {
  let parsed: { reason?: unknown; message?: unknown } = {};
  try {
    parsed = typeof body === 'string' ? JSON.parse(body) : (body ?? {});
  } catch {
    parsed = { message: String(body).trim().split('\n', 1)[0] };
  }
  return { reason: String(parsed?.reason ?? ''), message: String(parsed?.message ?? '') };
}

/** Whether a retry may succeed soon. For a 500, only when the server says so. */
export function isTransient(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal === undefined) return isBrokenConnection(error);
  return (
    [429, 502, 503, 504].includes(refusal.status) ||
    (refusal.status === 500 && refusal.reason !== 'Forbidden')
  );
}

const isBrokenConnection = (error: unknown): boolean =>
  /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE|UND_)/.test(
    errnoOf(error) ?? '',
  ) || /premature close|socket hang up|network timeout|aborted/i.test(messageOf(error));

/** Converts the failure. `doing` describes the attempt: `create pod x`. */
export function clusterError(doing: string, error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  const refusal = refusalOf(error);
  if (refusal === undefined) {
    return new GomoteError(
      'ERR_CONNECT',
      `cannot ${doing}: ${messageOf(error).split('\n', 1)[0]}`,
      {
        hint: 'is the cluster reachable? try kubectl get pods',
        cause: error,
      },
    );
  }
  const { status, reason, message } = refusal;
  const [code, hint] = meaningOf(status, message);
  const why = message === '' ? `status ${status}` : message;
  return new PlatformError(code, reason, `cannot ${doing}: ${why}`, { hint, cause: error });
}

function meaningOf(status: number, message: string): [GomoteError['code'], string | undefined] {
  if (status === 403 && /exceeded quota|limited: /.test(message)) {
    return ['ERR_QUOTA', 'destroy some buildlets, or ask for a larger quota'];
  }
  if (status === 401) return ['ERR_UNAUTHORIZED', 'check the user of the kubeconfig'];
  if (status === 403) {
    return ['ERR_UNAUTHORIZED', 'the rights needed are in docs/kubernetes/buildlets.yaml'];
  }
  if (status === 409) return ['ERR_NAME_TAKEN', undefined];
  if (status === 400 || status === 404 || status === 422) {
    return ['ERR_CONFIG', 'check the namespace, and the host type in the configuration'];
  }
  return ['ERR_UNAVAILABLE', 'try again in a moment'];
}
