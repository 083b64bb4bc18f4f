module sixstack.example/flannel

go 1.26.0

require (
	github.com/flannel-io/flannel v0.28.10
)

// only for flannel's tencent-vpc backend: the versions it asks for are not to be had
replace (
	github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common => github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common v1.3.210
	github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc => github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc v1.3.115
)
