"""Other ways to write the Han characters of the word lists: traditional and rare forms, and their sound. Pure."""

from __future__ import annotations

import re
from typing import Final

_TRADITIONAL: Final = (
    "丟亂亞佈來侶侷係俬個們倖倫傑備傢傳傷僕僱價儀儘優兒內兩冊凍別則剋剎剝剮創劃劑動勢勸匯區協卹員唸問喫喬單嘔噁噓噯噴"
    "噹嚨嚮嚴國圍園圖團報場塊墊墜墻壓壽奪奬妝姦婦嬌嬰孌孫學宮實寫寬寵寶將尋對導屆屍層屬峯島崑巖師帶幹幾庫廠廢廣弔張強"
    "彆彈彙彫後復徵惡愛態慘慣慾懷懸戀戰戲戶拋捨捲掃掛換摳摺擊據擺擼攔敎敵數斃斬斷於旂時暈曏書會朮東査條梟業榦榮槍樂樑"
    "樓標樣樹橋機橫檢檯檸檻櫃權歸殘殞殺殻殼毀氣決沒況洩淚淩減測渾湧準溝溫溼滙滸滿漢漿潔潤澀澤濕濺瀆瀉瀝灑灕灘灣為烏無"
    "煉煙熱燈燒燙營燬燭爐爛爭爲爾牀牆狀猶獎獨獲獸現琱瑪環產産畫異畵當痠瘡癒癮發皰皸盃盜盡盤盪眞眾睜硃確碼磚礦種稱穀積"
    "穫竪競筆箇節篩簡簽籃籤糰紀約紅紋納紐紗紙級紮細終結絕絨統絲絶綁綑綠綫維網綴綵綿緑緒線緞緩緻縊縛縣縫縴縷總績織繩繫"
    "繯纔纖纜罰羅羣義習翫翹聲職脅脈脣脩脫腦腫腳腸膚臉臘臟臥臨臺興舉舘艙莖華菸萬葉葯蒐蓆蓋蓮蔔蔥蕓蕩薑薩薹藝藥蘋蘚蘭蘿"
    "處虛虜號蝕蝦蟲蠟衆術衕衚衛裏裝裡製複褲褻襪襬襲覈見規覓視親計診註詐評詢話誘語誨說説課誼調談諒論諮諷謀謊講謝譜譭護"
    "譽讀變讚豎豬貨販貫責貴貸貼資賊賣質賭贊跡蹟軀車軌軍載輔輕輝輪輻轄轟辦辭農迴這連週進遊運達遲選遺還邊醣醫釁釋釘針鈍"
    "鈎鈡鉅鉆鉤鉬銀銅銜銳銷鋒鋭鋸鋼錢錯錶鍊鍋鍘鍼鍾鎖鏡鐘鐵鑽長門閂開間閣閤閥闆闇闕關陰陸陽隊際險隱雙雛雜雞難電霑靈韆"
    "響頁頂預頓領頭頸頻題顏顔願類顧顯顱風颱飛飯飲飾餅餘館餬馬駕騙騰騷驕驗髒體髮鬆鬍魚魯魷鮮鯉鯊鰓鰹鰻鱔鱘鳥鳳鴉鴨鴿鵝"
    "鵰鶇鷄鸛麗麥麪麫麯麴麵黃點鼕鼴齣龍龜著軆躰躶臝倮婬滛銫铯"
)
_PLAIN: Final = (
    "丢乱亚布来侣局系私个们幸伦杰备家传伤仆雇价仪尽优儿内两册冻别则克刹剥剐创划剂动势劝汇区协恤员念问吃乔单呕恶嘘嗳喷"
    "当咙向严国围园图团报场块垫坠墙压寿夺奖妆奸妇娇婴娈孙学宫实写宽宠宝将寻对导届尸层属峰岛昆岩师带干几库厂废广吊张强"
    "别弹汇雕后复征恶爱态惨惯欲怀悬恋战戏户抛舍卷扫挂换抠折击据摆撸拦教敌数毙斩断于旗时晕向书会术东查条枭业干荣枪乐梁"
    "楼标样树桥机横检台柠槛柜权归残殒杀壳壳毁气决没况泄泪凌减测浑涌准沟温湿汇浒满汉浆洁润涩泽湿溅渎泻沥洒漓滩湾为乌无"
    "炼烟热灯烧烫营毁烛炉烂争为尔床墙状犹奖独获兽现雕玛环产产画异画当酸疮愈瘾发疱皲杯盗尽盘荡真众睁朱确码砖矿种称谷积"
    "获竖竞笔个节筛简签篮签团纪约红纹纳纽纱纸级扎细终结绝绒统丝绝绑捆绿线维网缀彩绵绿绪线缎缓致缢缚县缝纤缕总绩织绳系"
    "缳才纤缆罚罗群义习玩翘声职胁脉唇修脱脑肿脚肠肤脸腊脏卧临台兴举馆舱茎华烟万叶药搜席盖莲卜葱芸荡姜萨苔艺药苹藓兰萝"
    "处虚虏号蚀虾虫蜡众术同胡卫里装里制复裤亵袜摆袭核见规觅视亲计诊注诈评询话诱语诲说说课谊调谈谅论咨讽谋谎讲谢谱毁护"
    "誉读变赞竖猪货贩贯责贵贷贴资贼卖质赌赞迹迹躯车轨军载辅轻辉轮辐辖轰办辞农回这连周进游运达迟选遗还边糖医衅释钉针钝"
    "钩钟巨钻钩钼银铜衔锐销锋锐锯钢钱错表炼锅铡针钟锁镜钟铁钻长门闩开间阁合阀板暗阙关阴陆阳队际险隐双雏杂鸡难电沾灵千"
    "响页顶预顿领头颈频题颜颜愿类顾显颅风台飞饭饮饰饼余馆糊马驾骗腾骚骄验脏体发松胡鱼鲁鱿鲜鲤鲨鳃鲣鳗鳝鲟鸟凤鸦鸭鸽鹅"
    "雕鸫鸡鹳丽麦面面曲曲面黄点冬鼹出龙龟着体体裸裸裸淫淫色色"
)
SIMPLIFIED: Final = dict(zip(_TRADITIONAL, _PLAIN, strict=True))
"""By traditional and rare forms: the simplified characters of the lists. The lists' own text is read the same way.

From OpenCC's TSCharacters.txt, as far as the packaged lists need it.
"""

_BY_SOUND: Final = """
ai嗳爱艾 an安案 ba八巴 bai掰百 ban半 bang棒绑 bao宝暴爆 bei备杯被 beng迸 bi屄毙臂逼鼻 bian遍
biao婊 bing兵冰 bo剥勃脖膊 bu不部 can残 cang藏 cao操肏草 cha叉岔插 chang场娼肠 chao潮 che扯车
chen沉 cheng成 chi吃持赤迟 chou抽 chu出初处雏 chuan喘穿 chuang床 chui吹 chun唇春 ci刺此
cun寸 da大打 dai带待袋 dan弹 dang当荡 dao刀道 de的 di地底蒂 dian点电 diao吊屌掉调 ding丁腚
dong动 dou逗 du毒渎肚 duan断段短 dui堆 duo剁朵 er儿耳 fan犯 fang房 fei飞 fen分焚
fu俘妇服浮缚腐腹 gan干感肝 gang缸肛 gao睾高 ge割胳 gong宫 gou勾沟 gu股骨 gua挂 guan管贯 guang光
gui柜轨龟 guo果 hai孩害海骸 hao豪 he喝河 heng横 hou后喉 hu户湖糊 hua划花 huan缳 huang黄
hun浑 huo惑活火货 ji几击妓己机激积级迹际鸡 jia假 jian奸溅见间 jiang江浆 jiao交叫娇教焦脚 jie截结街解
jin尽进金 jing井睛精茎颈 ju举具巨菊锯 jue绝 kai开 kan砍 kao烤 ken啃 kong控空 kou口抠 ku枯裤酷
kuai块 kuan宽 kun捆 lan拦烂 le了 lei勒 li李漓莉里 lian恋炼脸 liang两梁量 liao撩聊 lie裂
lin淋 ling凌 liu流 long咙 lou楼 lu撸虏露颅 luan乱娈 lun伦轮 luo萝落裸 lv缕 ma码马麻 mai卖埋脉
man满漫 mao毛 mei妹没美 men门 mi蜜迷 mian眠 ming命 mo抹模魔 na拿 nai奶 nan男 nang囊 nao脑
nei内 ni溺 nian年碾 niao鸟 nong农弄 nu奴 nv女 nve虐 pa啪 pai拍派 pao抛炮 pen喷 peng朋
pi丕劈屁皮 pian片 piao嫖 pin品频 po泊破 pou剖 qi七器起 qia掐 qiang墙强戕枪 qiao桥翘 qie切
qing情轻 qiu囚求球 qu去蛆趣躯 quan全泉 que缺 qun群裙 ran染 ren人 rou肉 ru乳入如 sa洒 san三散
sao骚 se涩瑟色 sha刹杀沙砂纱鲨 shan山衫 shang上伤 shao少烧 she射舌 shen身 sheng生绳
shi势士尸是湿视食 shou兽受手首 shu书束竖 shuang双 shuo说 si丝四撕死私 su酥 sui碎 ta她 tai太
tan炭 tang烫膛躺 tao掏 te特 ti体 tiao挑跳 tie铁 tong捅童铜 tou偷头投 tu图屠 tui腿褪 tun吞臀
tuo拖脱 wa挖袜 wai外 wan丸玩碗腕 wang网 wei为慰未猥 wen刎 wo卧我 wu五无物舞 xi戏 xia下 xian现鲜
xiang向想箱 xiao小枭 xie亵写卸 xin心 xing刑性腥行 xiong胸 xuan悬 xue学穴血 xun寻 ya崖
yan宴淹烟眼颜 yang阳 yao咬腰药 ye液野 yi一异缢衣遗 yin引淫瘾银阴饮 ying婴影 yong泳涌用 you优友右幼有诱
yu于欲浴 yuan援 yue约 yun晕殒 za砸 zai在 zang脏 zha扎炸 zhan战斩沾站 zhang张掌 zhao照罩
zhe着者 zhen真震 zheng正 zhi制彘指殖直肢致质趾 zhong中终 zhu助珠 zhua抓 zhuai拽 zhuang撞装
zhui坠 zi姿子字自 zuo作做左
"""
SOUNDS: Final = {
    character: sound for sound, characters in re.findall(r"([a-z]+)(\S+)", _BY_SOUND) for character in characters
}
"""Pinyin without tones of the characters of short terms."""
