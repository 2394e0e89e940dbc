/*
 * certificate: one for tests, of mx.example.org and of alice@example.org, who may log in by it; it
 * is its own authority.
 */
#ifndef MAILSLOT_TESTS_CERTIFICATE_H
#define MAILSLOT_TESTS_CERTIFICATE_H

static const char test_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB3TCCAYSgAwIBAgIUAvA/aBwiyLI/nzD6s0pAD/sdGy4wCgYIKoZIzj0EAwIw\n"
    "HDEaMBgGA1UEAwwRYWxpY2VAZXhhbXBsZS5vcmcwIBcNMjYxMTI5MjM1NjU1WhgP\n"
    "MjEyNjExMDUyMzU2NTVaMBwxGjAYBgNVBAMMEWFsaWNlQGV4YW1wbGUub3JnMFkw\n"
    "EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE29N+S3Dzp7UrFi2tktwJuRaeCTEC+4rs\n"
    "Wuq3DZIM1Lo3AvwbPHjJJQOyEyGjd2s3lqhcH6PFK1QWwEDpPOHFuKOBoTCBnjAd\n"
    "BgNVHQ4EFgQUhKD2WqRuOdB3hUf3hNV9vY+Yw7cwHwYDVR0jBBgwFoAUhKD2WqRu\n"
    "OdB3hUf3hNV9vY+Yw7cwDwYDVR0TAQH/BAUwAwEB/zAsBgNVHREEJTAjgRFhbGlj\n"
    "ZUBleGFtcGxlLm9yZ4IObXguZXhhbXBsZS5vcmcwHQYDVR0lBBYwFAYIKwYBBQUH\n"
    "AwIGCCsGAQUFBwMBMAoGCCqGSM49BAMCA0cAMEQCIA3fITgiB3i9zbXWajdSS0dN\n"
    "EE60OeNr3M8p02MDCSAUAiBjcqiBMVglrR+vCNT2L1qzL0VxHDZteS3npmuzysfT\n"
    "Og==\n"
    "-----END CERTIFICATE-----\n";
static const char test_key[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzgxDsndc+gIL9aVr\n"
                               "vecYn9IDziOzlaX0wnjgBHp+/JuhRANCAATb035LcPOntSsWLa2S3Am5Fp4JMQL7\n"
                               "iuxa6rcNkgzUujcC/Bs8eMklA7ITIaN3azeWqFwfo8UrVBbAQOk84cW4\n"
                               "-----END PRIVATE KEY-----\n";

#endif
