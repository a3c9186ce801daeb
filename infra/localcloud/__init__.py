"""An Alibaba Cloud for one machine, on a loopback port: STS, CR, CS, KMS, SLS, FC, under infra/ram.

The cloud's SDKs reach it unmodified, as their plain-HTTP forward proxy, so each call arrives under
the real host name of its product:

    cloud = Cloud(demo_world())
    with serving(cloud) as url:
        config = Config(protocol="http", http_proxy=url, endpoint="sts.cn-hangzhou.aliyuncs.com", …)
"""
