// Explains why an engine refused to create a container, and what to do.
import { type ErrorCode, type GomoteError, PlatformError, StatusError } from '../../errors.ts';

interface Kind {
  readonly words: RegExp;
  readonly code: ErrorCode;
  readonly hint: string;
}

/** The first whose pattern matches the engine's message; Docker's and Podman's messages differ. */
const kinds: readonly Kind[] = [
  {
    words: /invalid reference format|invalid repository name|repository name must be/i,
    code: 'ERR_USAGE',
    hint: 'an image is such as debian:12 or ghcr.io/owner/image:tag',
  },
  {
    words: /no space left|disk quota/i,
    code: 'ERR_NO_CAPACITY',
    hint: "free some of the engine's disk: docker system df, docker system prune",
  },
  {
    words:
      /no matching manifest|no image found in (manifest list|image index)|does not match the (specified|detected)|exec format error|image operating system|not provide the specified platform|wanted platform/i,
    code: 'ERR_PLATFORM',
    hint: 'the image is for another platform: give platform = "linux/ARCH" of one that it has and the engine runs',
  },
  {
    words: /access .*denied|^denied|unauthorized|authentication required|no basic auth/i,
    code: 'ERR_UNAUTHORIZED',
    hint: 'check the name of the image, or log in: docker login',
  },
  {
    words:
      /manifest.*(unknown|not found)|no such image|repository .*not found|image not known|name unknown/i,
    code: 'ERR_PLATFORM',
    hint: 'check the name and tag of the image; docker images shows those that the engine has',
  },
  {
    words:
      /dial tcp|no such host|server misbehaving|i\/o timeout|TLS handshake|connection re(fused|set)|network is unreachable|Client\.Timeout/i,
    code: 'ERR_UNAVAILABLE',
    hint: 'the engine cannot reach the registry: check its network and proxy, or give it the image by docker load',
  },
  {
    words: /init binary not found|docker-init.*not found/i,
    code: 'ERR_PLATFORM',
    hint: "install the engine's init on its machine: tini for Docker, catatonit for Podman",
  },
  {
    words: /not a directory/i,
    code: 'ERR_PLATFORM',
    hint: 'the programs are put below /opt/gomote: the image has a file there, or as /opt',
  },
  {
    words: /network .*not found|unable to find network/i,
    code: 'ERR_PLATFORM',
    hint: 'docker network ls shows the networks there are',
  },
  {
    words: /runtime name|unknown.*runtime|runtime .*not (found|supported)/i,
    code: 'ERR_PLATFORM',
    hint: 'docker info shows the runtimes there are',
  },
  {
    words: /no matching entries in passwd|unable to find user/i,
    code: 'ERR_PLATFORM',
    hint: 'give a user of the image, or UID:GID',
  },
];

/** @param what What failed, such as `cannot pull debian:12`. */
export function refusalOf(what: string, engineUrl: string, error: unknown): unknown {
  if (!(error instanceof StatusError)) return error;
  return platformError(what, engineUrl, error.text, { cause: error });
}

/** @param text The engine's message. */
export function platformError(
  what: string,
  engineUrl: string,
  text: string,
  { code = 'ERR_PLATFORM', cause }: { code?: ErrorCode; cause?: unknown } = {},
): GomoteError {
  const kind = kinds.find(({ words }) => words.test(text));
  const message = `${what} on the engine ${engineUrl}: ${text}`;
  return new PlatformError(kind?.code ?? code, '', message, {
    hint: kind?.hint ?? 'docker info and the log of the engine may say more',
    cause,
  });
}
